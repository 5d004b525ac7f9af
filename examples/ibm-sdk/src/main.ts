import { createTokenManager } from "@iam/core";
import { credentialsFromEnvironment } from "@iam/credentials";
import { startEmulator } from "@iam/emulator";
import { iamAuthenticator } from "@iam/ibm-sdk";
import { CloudantV1 } from "@ibm-cloud/cloudant";

// A local IAM that stands in for https://iam.cloud.ibm.com, and for Cloudant behind it.
await using emulator = await startEmulator();
// What a deployment sets.
process.env.CLOUDANT_APIKEY = emulator.apiKey;
process.env.CLOUDANT_AUTH_URL = emulator.url;
process.env.CLOUDANT_URL = `${emulator.url}/resource`;

const credentials = credentialsFromEnvironment({ service: "cloudant" });
// Each has a `reason` too, which says where was looked.
for (const { name, used } of credentials.links) console.log(used ? "used:" : "skipped:", name);
const manager = createTokenManager(credentials);

// The line that changes; it was: new IamAuthenticator({ apikey, url })
const authenticator = iamAuthenticator({ manager });
const cloudant = CloudantV1.newInstance({ authenticator });

const put = (docId: string) => cloudant.putDocument({ db: "orders", docId, document: { item: 1 } });
const first = await Promise.all(["a", "b", "c"].map(put));
console.log("three documents:", ...first.map(({ status }) => status), "- grants:", emulator.counters.grants);

emulator.revokeAll();
const { status } = await put("d");
console.log("after a revocation:", status, "- grants:", emulator.counters.grants);

await manager[Symbol.asyncDispose]();
