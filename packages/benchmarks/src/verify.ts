// What verifying costs: a warm key set beside bare jose, a token that is shown again beside express-oauth2-jwt-bearer, and how
// often a flood of forged names asks for keys.
import type { IncomingMessage, ServerResponse } from "node:http";
import { startEmulator } from "@iam/emulator";
import { requireIam } from "@iam/express";
import { createVerifier } from "@iam/verify";
import { auth } from "express-oauth2-jwt-bearer";
import { createRemoteJWKSet, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { contender } from "./loopback.ts";
import { type Measured, measure, report } from "./measure.ts";

await using emulator = await startEmulator();
const issuer = "https://iam.cloud.ibm.com/identity";
const audience = "benchmark";
const jwksUrl = new URL(`${emulator.url}/identity/keys`);
const { value: token } = await emulator.issueToken({ claims: { aud: audience } });
const ratio = (a: Measured | undefined, b: Measured | undefined) =>
  (a?.nsPerCall ?? Number.NaN) / (b?.nsPerCall ?? Number.NaN);

const keys = createRemoteJWKSet(jwksUrl);
const each = createVerifier({ jwksUrl, audience, cache: false });
const warm = await measure(
  [
    contender("jose.jwtVerify", 1, () => jwtVerify(token, keys, { issuer, audience, algorithms: ["RS256"] })),
    contender("verifier.verify, without a cache", 1, () => each.verify(token)),
  ],
  { rounds: 101, calls: 200 },
);
for (const { name, nsPerCall } of warm) console.log(`     ${name}: ${(nsPerCall / 1000).toFixed(1)} us`);
const speed = ratio(warm[0], warm[1]);
report("verification with a warm key set, speed / that of jose.jwtVerify", speed, ">= 0.95", speed >= 0.95);

/** A request as far as either middleware looks at it. */
const ask = (through: (req: never, res: never, next: (error?: unknown) => void) => void) => () =>
  new Promise<void>((resolve, reject) => {
    const headers: Record<string, string> = { authorization: `Bearer ${token}`, host: "localhost" };
    const req = {
      headers,
      rawHeaders: [],
      method: "GET",
      protocol: "http",
      url: "/",
      query: {},
      get: (name: string) => headers[name.toLowerCase()],
      is: () => false,
    };
    through(req as unknown as never, {} as never, (error) =>
      error === undefined ? resolve() : reject(error),
    );
  });
const theirs = auth({ issuer, audience, jwksUri: jwksUrl.href, tokenSigningAlg: "RS256" });
const verifier = createVerifier({ jwksUrl, audience });
const ours = requireIam({ verifier });
const repeated = await measure(
  [
    contender("express-oauth2-jwt-bearer", 1, ask(theirs)),
    contender(
      "requireIam",
      1,
      ask((req: IncomingMessage, res: ServerResponse, next) => ours(req, res, next)),
    ),
    contender("verifier.verify", 1, () => verifier.verify(token)),
  ],
  { rounds: 51, calls: 400 },
);
for (const { name, nsPerCall } of repeated) console.log(`     ${name}: ${(nsPerCall / 1000).toFixed(1)} us`);
const times = ratio(repeated[0], repeated[2]);
report("one token again, express-oauth2-jwt-bearer / verifier.verify", times, ">= 20", times >= 20);
console.log(`     express-oauth2-jwt-bearer / requireIam: ${ratio(repeated[0], repeated[1]).toFixed(1)}`);

const { privateKey } = await generateKeyPair("RS256");
const before = emulator.log.filter(({ target }) => target === "keys").length;
const flooded = createVerifier({ jwksUrl });
const { value: good } = await emulator.issueToken();
await flooded.verify(good);
const forged = await new SignJWT({ iss: issuer })
  .setProtectedHeader({ alg: "RS256", kid: "0" })
  .sign(privateKey);
const rest = forged.slice(forged.indexOf("."));
const header = (kid: number) =>
  Buffer.from(JSON.stringify({ alg: "RS256", kid: `forged-${kid}` })).toString("base64url");
await Promise.all(
  Array.from({ length: 10_000 }, (_, kid) =>
    flooded.verify(header(kid) + rest).then(
      () => Promise.reject(new Error("A forged token was taken.")),
      () => {},
    ),
  ),
);
const asked = emulator.log.filter(({ target }) => target === "keys").length - before;
report("requests for keys after 10,000 forged names", asked, "at most 2", asked <= 2);
