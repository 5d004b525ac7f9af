// Prints known answers for src/seal.ts, made with node:crypto and none of its code: node make-seal-vectors.mjs > seal.json
import { createCipheriv, createHmac, hkdfSync } from "node:crypto";

const label = "@iam/store/v1";

function lengthPrefixed(parts) {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

function vector(name, { secret, pepper, fields, text, iv }) {
  const material = lengthPrefixed([secret, Buffer.from(pepper, "hex")]);
  const derive = (info) => Buffer.from(hkdfSync("sha256", material, label, info, 32));
  const key = createHmac("sha256", derive("name"))
    .update(lengthPrefixed(["token", ...fields]))
    .digest("base64url");
  const cipher = createCipheriv("aes-256-gcm", derive("seal"), Buffer.from(iv, "hex"));
  cipher.setAAD(lengthPrefixed([label, key]));
  const sealed = [cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
  const entry = Buffer.concat([Buffer.of(1), Buffer.from(iv, "hex"), ...sealed]).toString("base64url");
  return { name, secret, pepper, fields, text, key, entry };
}

const endpoint = "https://iam.cloud.ibm.com/identity/token";
const vectors = [
  vector("an API key alone", {
    secret: "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF",
    pepper: "",
    fields: [endpoint, "apikey"],
    text: '{"token":"abc.def.ghi","lifetimeMs":3600000,"issuedAt":1800000000000,"draw":0.5}',
    iv: "000102030405060708090a0b",
  }),
  vector("a password with a pepper and fields beyond ASCII", {
    secret: "pässwörd-€-😀",
    pepper: "f0e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff",
    fields: [endpoint, "password", "client_id", "bx", "username", "ada@exämple.com"],
    text: "€",
    iv: "ffffffffffffffffffffffff",
  }),
  vector("an identity without a secret", {
    secret: "",
    pepper: "00112233445566778899aabbccddeefff0e1d2c3b4a5968778695a4b3c2d1e0f",
    fields: [endpoint, "cr-token", "profile_name", "reader"],
    text: "",
    iv: "0b0a09080706050403020100",
  }),
];
console.log(JSON.stringify(vectors, null, 2));
