import { generateKeyPairSync, sign } from "node:crypto";
import type { RefusalReason } from "../src/index.ts";
import { encoded, hmacSigned, publicKey, type Scene, signed } from "./scene.ts";

/** What a forger has: the published key, a good token, keys of his own. Where a claim is forged the signature is IAM's own. */
export interface Materials {
  readonly scene: Scene;
  readonly token: string;
  readonly header: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
}

interface Forgery {
  readonly name: string;
  readonly reason: RefusalReason;
  /** A part of the message. */
  readonly says: RegExp;
  readonly make: (materials: Materials) => unknown;
}

const mallory = generateKeyPairSync("rsa", { modulusLength: 2048 });
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const elliptic = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
const jwk = publicKey.export({ format: "jwk" });

const forgeries: Forgery[] = [];

function group(reason: RefusalReason, says: RegExp, made: Record<string, Forgery["make"]>): void {
  for (const [name, make] of Object.entries(made)) forgeries.push({ name, reason, says, make });
}

/** With other members in the header, signed by IAM's key. */
const headed =
  (more: Record<string, unknown>): Forgery["make"] =>
  ({ header, claims }) =>
    signed({ ...header, ...more }, claims);

/** With other claims, signed by IAM's key. */
const claiming =
  (more: Record<string, unknown> | ((now: number) => Record<string, unknown>)): Forgery["make"] =>
  ({ header, claims, scene }) =>
    signed(header, { ...claims, ...(typeof more === "function" ? more(scene.now) : more) });

const unsigned =
  (alg: string, signature = ""): Forgery["make"] =>
  ({ header, claims }) =>
    `${encoded({ ...header, alg })}.${encoded(claims)}.${signature}`;

/** The claims as text, changed as text. */
const rewritten =
  (change: (json: string) => string): Forgery["make"] =>
  ({ header, claims }) =>
    signed(header, change(JSON.stringify(claims)));

const parts = (token: string): [string, string, string] => {
  const [header = "", payload = "", signature = ""] = token.split(".");
  return [header, payload, signature];
};

group("algorithm", /not signed by RS256/, {
  "alg none without a signature": unsigned("none"),
  "alg None": unsigned("None"),
  "alg NONE": unsigned("NONE"),
  "alg nOnE": unsigned("nOnE"),
  "alg none with a signature that is left over": ({ header, claims, token }) =>
    unsigned("none", parts(token)[2])({ header, claims, token } as Materials),
  "an empty alg": unsigned(""),
  "alg rs256 in lower case": headed({ alg: "rs256" }),
  "alg RS256 with a blank": headed({ alg: "RS256 " }),
  "alg as a list": headed({ alg: ["RS256"] }),
  "no alg at all": headed({ alg: undefined }),
  "HS256 signed with the public key as PEM": ({ header, claims }) =>
    hmacSigned({ ...header, alg: "HS256" }, claims, pem),
  "HS256 signed with the public key as JWK": ({ header, claims }) =>
    hmacSigned({ ...header, alg: "HS256" }, claims, JSON.stringify(jwk)),
  "HS256 signed with the modulus": ({ header, claims }) =>
    hmacSigned({ ...header, alg: "HS256" }, claims, jwk.n ?? ""),
  "RS512, which nobody asked for": headed({ alg: "RS512" }),
  "PS256, which nobody asked for": headed({ alg: "PS256" }),
  "ES256 under the kid of an RSA key": ({ header, claims }) => {
    const input = `${encoded({ ...header, alg: "ES256" })}.${encoded(claims)}`;
    const signature = sign("sha256", Buffer.from(input), {
      key: elliptic.privateKey,
      dsaEncoding: "ieee-p1363",
    });
    return `${input}.${encoded(signature)}`;
  },
});

group("signature", /not signed by the key/, {
  "RS256 by another key under a known kid": ({ header, claims }) =>
    signed(header, claims, mallory.privateKey),
  "RS256 by a short key under a known kid": ({ header, claims }) => signed(header, claims, weak.privateKey),
  "no signature": ({ token }) => `${parts(token)[0]}.${parts(token)[1]}.`,
  "a signature that was cut by four characters": ({ token }) => `${token.slice(0, -6)}${token.slice(-2)}`,
  "a signature that was cut to its half": ({ token }) => token.slice(0, -170),
  "a signature with four characters more": ({ token }) => `${token.slice(0, -2)}AAAA${token.slice(-2)}`,
  "a signature of zeros": ({ token }) =>
    `${parts(token)[0]}.${parts(token)[1]}.${encoded(new Uint8Array(256))}`,
  "the signature of another token": async ({ token, scene }) =>
    `${parts(token)[0]}.${parts(token)[1]}.${parts(await scene.good({ jti: "another" }))[2]}`,
  "one claim that was changed after signing": ({ token, claims }) =>
    `${parts(token)[0]}.${encoded({ ...claims, iam_id: "IBMid-mallory" })}.${parts(token)[2]}`,
  "a header that was written in another order after signing": ({ token, header }) =>
    `${encoded(Object.fromEntries(Object.entries(header).reverse()))}.${parts(token)[1]}.${parts(token)[2]}`,
});

for (const name of ["jwk", "jku", "x5u", "x5c"]) {
  const value = {
    jwk: mallory.publicKey.export({ format: "jwk" }),
    jku: "https://mallory.example/keys",
    x5u: "https://mallory.example/cert.pem",
    x5c: ["MIIB"],
  }[name];
  group("embedded-key", new RegExp(`\\(${name}\\)`), {
    [`a key of its own in ${name}`]: ({ header, claims }) =>
      signed({ ...header, [name]: value }, claims, mallory.privateKey),
    [`${name} in a token that IAM's key has signed`]: headed({ [name]: value }),
  });
}

group("critical", /\(crit\)/, {
  "crit with an unknown extension": headed({ crit: ["mallory"], mallory: true }),
  "crit with b64": headed({ crit: ["b64"], b64: true }),
  "an empty crit": headed({ crit: [] }),
});
group("critical", /\(b64\)/, { "b64 false without crit": headed({ b64: false }) });
group("critical", /\(crit\)/, {
  "b64 false with a payload that is not encoded": ({ header, claims }) => {
    const head = encoded({ ...header, b64: false, crit: ["b64"] });
    return `${head}.${encoded(claims)}.${encoded(sign("sha256", Buffer.from(`${head}.${JSON.stringify(claims)}`), mallory.privateKey))}`;
  },
});
group("critical", /\(zip\)/, { "a compressed payload": headed({ zip: "DEF" }) });

group("nested", /\(cty\)/, {
  "a token in a token": ({ header, token }) => signed({ ...header, cty: "JWT" }, token),
});
group("claims", /claims of the token are no JSON object/, {
  "a token in a token that does not say so": ({ header, token }) => signed(header, token),
  "claims that are a list": ({ header, claims }) => signed(header, [claims]),
  "claims that are null": ({ header }) => signed(header, "null"),
  "no claims": ({ header }) => signed(header, ""),
  "claims that are not UTF-8": ({ header }) => signed(header, new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])),
  "claims with a byte order mark": rewritten((json) => `\ufeff${json}`),
  "claims in UTF-16": ({ header, claims }) => signed(header, Buffer.from(JSON.stringify(claims), "utf16le")),
  "text after the claims": rewritten((json) => `${json}{}`),
});

group("type", /\(typ\)/, {
  "a logout token": headed({ typ: "logout+jwt" }),
  "a proof of possession": headed({ typ: "dpop+jwt" }),
  "typ as a list": headed({ typ: ["JWT"] }),
});

group("key-id", /\(kid\)/, {
  "no kid": headed({ kid: undefined }),
  "an empty kid": headed({ kid: "" }),
  "a kid that is a path": headed({ kid: "../../../../dev/null" }),
  "a kid that is a URL": headed({ kid: "https://mallory.example/key" }),
  "a kid with a new line": ({ header, claims }) => signed({ ...header, kid: `${header.kid}\n` }, claims),
  "a kid with a zero byte": ({ header, claims }) => signed({ ...header, kid: `${header.kid}\u0000` }, claims),
  "a kid of SQL": headed({ kid: "x' UNION SELECT 'key" }),
  "a kid that is a number": headed({ kid: 202_611_270_000 }),
  "a kid of 10,000 characters": headed({ kid: "1".repeat(10_000) }),
});
group("unknown-key", /\(kid\)/, {
  "a kid that nobody published": ({ header, claims }) =>
    signed({ ...header, kid: "190001010000" }, claims, mallory.privateKey),
  "a kid that every object has": headed({ kid: "constructor" }),
  "a kid that is a prototype": headed({ kid: "__proto__" }),
});

group("duplicate", /claim twice/, {
  "exp twice, the later one last": rewritten((json) => json.replace(/}$/, ',"exp":9999999999}')),
  "exp twice, the later one first": rewritten((json) => `{"exp":9999999999,${json.slice(1)}`),
  "iss twice": rewritten((json) => json.replace(/}$/, ',"iss":"https://iam.cloud.ibm.com/identity"}')),
  "account.bss twice": rewritten((json) => json.replace('"account":{', '"account":{"bss":"0",')),
  "iam_id twice, once with an escape": rewritten(
    (json) => `{"\\u0069am_id":"IBMid-mallory",${json.slice(1)}`,
  ),
  "iam_id twice, with white space and escaped quotes about": rewritten(
    (json) => `{"iam_id" : "a\\":b", ${json.slice(1)}`,
  ),
});
group("duplicate", /header of the token has a member twice/, {
  "kid twice": ({ header, claims }) =>
    signed(`{"kid":"190001010000",${JSON.stringify(header).slice(1)}`, claims),
  "alg twice": ({ header, claims }) => signed(`{"alg":"none",${JSON.stringify(header).slice(1)}`, claims),
});

group("claims", /exp of the token is missing or no number/, {
  "exp as text": claiming((now) => ({ exp: String(now + 3600) })),
  "exp that is endless": rewritten((json) => json.replace(/"exp":\d+/, '"exp":1e999')),
  "exp that is null": claiming({ exp: null }),
  "no exp": claiming({ exp: undefined }),
  "exp as a list": claiming((now) => ({ exp: [now + 3600] })),
});
group("claims", /iat of the token is missing or no number/, {
  "iat as text": claiming((now) => ({ iat: String(now) })),
  "no iat": claiming({ iat: undefined }),
});
group("claims", /nbf of the token/, { "nbf as text": claiming({ nbf: "0" }) });
group("claims", /iam_id of the token/, {
  "no iam_id": claiming({ iam_id: undefined }),
  "iam_id as an object": claiming({ iam_id: { toString: "IBMid" } }),
});
group("claims", /sub_type of the token/, { "sub_type as a list": claiming({ sub_type: ["ServiceId"] }) });
group("claims", /scope of the token/, { "scope as a list": claiming({ scope: ["ibm", "openid"] }) });
group("claims", /iss of the token/, {
  "no iss": claiming({ iss: undefined }),
  "iss as a list": claiming({ iss: ["https://iam.cloud.ibm.com/identity"] }),
});

group("expired", /\(exp\)/, {
  "exp a day ago": claiming((now) => ({ iat: now - 90_000, exp: now - 86_400 })),
  "exp just at the end of the tolerance": claiming((now) => ({ iat: now - 3600, exp: now - 5 })),
  "exp zero": claiming({ exp: 0 }),
  "exp negative": claiming({ exp: -1 }),
});
group("lifetime", /longer than 86400 s \(exp\)/, {
  "exp far in the future": claiming((now) => ({ exp: now + 10 * 31_536_000 })),
  "exp in milliseconds": claiming((now) => ({ exp: (now + 3600) * 1000 })),
  "iat a year ago and exp in an hour": claiming((now) => ({ iat: now - 31_536_000 })),
  "iat and exp in the next year": claiming((now) => ({ iat: now + 31_536_000, exp: now + 31_539_600 })),
});
group("lifetime", /ends before it begins/, {
  "exp before iat": claiming((now) => ({ iat: now + 7200, exp: now + 3600 })),
});
group("not-yet-valid", /\(nbf\)/, {
  "nbf in a minute": claiming((now) => ({ nbf: now + 60 })),
});

const issuer = "https://iam.cloud.ibm.com/identity";
group("issuer", /\(iss\)/, {
  "an issuer of somebody else": claiming({ iss: "https://mallory.example/identity" }),
  "the issuer with a slash more": claiming({ iss: `${issuer}/` }),
  "the issuer on http": claiming({ iss: issuer.replace("https", "http") }),
  "the issuer as a part of another name": claiming({
    iss: "https://iam.cloud.ibm.com.mallory.example/identity",
  }),
  "the issuer as user information": claiming({ iss: "https://iam.cloud.ibm.com@mallory.example/identity" }),
  "the issuer in another case": claiming({ iss: issuer.replace("iam", "IAM") }),
  "the issuer with a look-alike letter": claiming({ iss: issuer.replace("iam", "i\u0430m") }),
  "the issuer with a port": claiming({ iss: issuer.replace(".com", ".com:443") }),
  "the issuer with a blank": claiming({ iss: ` ${issuer}` }),
  "the issuer of staging": claiming({ iss: "https://iam.test.cloud.ibm.com/identity" }),
  "the host without the path": claiming({ iss: "https://iam.cloud.ibm.com" }),
});

group("audience", /\(aud\)/, {
  "an ID token, which is for a client": claiming({ aud: "some-client" }),
  "an audience among others": claiming({ aud: ["a", "b"] }),
  "an empty list of audiences": claiming({ aud: [] }),
});
group("claims", /aud of the token/, { "an audience that is a number": claiming({ aud: [1] }) });

const account = { valid: true, bss: "0123456789abcdef0123456789abcdef", frozen: true };
group("account", /\(account\.bss\)/, {
  "another account": claiming({ account: { ...account, bss: "f".repeat(32) } }),
  "the account in upper case": claiming({ account: { ...account, bss: account.bss.toUpperCase() } }),
  "no account id": claiming({ account: { valid: true } }),
  "the account of somebody else beside": claiming({
    account: { ...account, bss: "f".repeat(32) },
    bss: account.bss,
  }),
});
group("claims", /account\.bss of the token/, {
  "a list of accounts": claiming({ account: { ...account, bss: [account.bss] } }),
});
group("account-invalid", /\(account\.valid\)/, {
  "account.valid false": claiming({ account: { ...account, valid: false } }),
  "account.valid as text": claiming({ account: { ...account, valid: "true" } }),
  "account.valid as a number": claiming({ account: { ...account, valid: 1 } }),
  "no account.valid": claiming({ account: { bss: account.bss, frozen: true } }),
});
group("claims", /no account/, {
  "no account": claiming({ account: undefined }),
  "an account that is a list": claiming({ account: [account] }),
});

group("too-large", /longer than 16384/, {
  "a token of 1 MiB": ({ token }) => token + "A".repeat(1_048_576),
  "1 MiB of claims": claiming({ filler: "x".repeat(1_048_576) }),
  "1 MiB of points": () => ".".repeat(1_048_576),
});
group("encrypted", /five segments/, {
  "five segments": ({ token }) => `${token}.AAAA.AAAA`,
  "a JWE": () =>
    `${encoded({ alg: "RSA-OAEP", enc: "A256GCM" })}.${"A".repeat(342)}.${"A".repeat(16)}.AAAA.${"A".repeat(22)}`,
});
group("malformed", /three segments/, {
  "one segment": () => "opaque-0123456789abcdef",
  "two segments": ({ token }) => token.split(".").slice(0, 2).join("."),
  "four segments": ({ token }) => `${token}.AAAA`,
  "six segments": ({ token }) => `${token}.A.A.A`,
  "points alone": () => "..",
  "a header that is empty": ({ token }) => token.slice(token.indexOf(".")),
});
group("malformed", /no text/, {
  "an empty text": () => "",
  "nothing at all": () => undefined,
  null: () => null,
  "a number": () => 42,
  "a list with the token in it": ({ token }) => [token],
  "an object that calls itself the token": ({ token }) => ({ toString: () => token, length: 10 }),
});
group("encoding", /not base64url/, {
  "a signature with padding": ({ token }) => `${token}==`,
  "a header with padding": ({ token }) => token.replace(".", "=."),
  "a new line at the end": ({ token }) => `${token}\n`,
  "a blank before": ({ token }) => ` ${token}`,
  "a blank within": ({ token }) => token.replace(".", ". "),
  "base64 instead of base64url": ({ token }) => `${token.slice(0, -342)}${"+/".repeat(171)}`,
  "another spelling of the same signature": ({ token }) => {
    const next = { A: "B", Q: "R", g: "h", w: "x" }[token.slice(-1)];
    return token.slice(0, -1) + next;
  },
  "bytes that are not UTF-8": ({ token }) => `${token}\ufffd`,
  "a zero byte": ({ token }) => `${token}\u0000`,
  "two tokens": ({ token }) => token.replace(/.$/, (last) => `${last} x`),
});
group("header", /no JSON object/, {
  "a header that is no JSON": ({ claims }) => signed("{", claims),
  "a header that is a list": ({ header, claims }) => signed([header], claims),
  "a header that is not UTF-8": ({ claims }) =>
    signed(new Uint8Array([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]), claims),
  "a header with a byte order mark": ({ header, claims }) =>
    signed(`\ufeff${JSON.stringify(header)}`, claims),
});
group("subject-type", /\(sub_type\)/, {
  "a kind of identity that is not let in": claiming({ sub_type: "CRN" }),
  "a kind of identity that nobody knows": claiming({ sub_type: "Administrator" }),
  "a kind of identity in another case": claiming({ sub_type: "serviceid" }),
  "a user who says so": claiming({ sub_type: "USER" }),
});

export { forgeries };
