import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { type Configuration, type Outcome, official, ours, outcomeOf } from "./configured-clients.ts";
import { type RecordedEmulator, recordedEmulator } from "./recorded-emulator.ts";

/** What both talk to. */
let recorded: RecordedEmulator;
beforeAll(async () => {
  recorded = await recordedEmulator();
});
afterAll(() => recorded.close());

/**
 * What comes of one configuration with each: the official core (`ibm-cloud-sdk-core`) and this project, given the same
 * environment, files and VCAP_SERVICES.
 */
export async function both(configuration: Configuration): Promise<{ official: Outcome; ours: Outcome }> {
  const root = mkdtempSync(join(tmpdir(), "differential-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  return {
    official: await outcomeOf(official, configuration, root, recorded),
    ours: await outcomeOf(ours, configuration, root, recorded),
  };
}

/** Properties as the variables of the service `svc`. */
export const prefixed = (env: Record<string, string>) =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [`SVC_${name}`, value]));

export const iam = { AUTH_URL: "$IAM", APIKEY: "emulator-user-api-key" };
export const client = { CLIENT_ID: "bx", CLIENT_SECRET: "bx", SCOPE: "openid ibm" };
export const account = "0123456789abcdef0123456789abcdef";
export const container = { AUTH_URL: "$IAM", AUTH_TYPE: "container", CR_TOKEN_FILENAME: "$ROOT/cr-token" };
export const crToken = { "cr-token": "emulator-cr-token" };
export const vpc = { AUTH_TYPE: "vpc", AUTH_URL: "$METADATA" };
export const cp4d = { AUTH_TYPE: "cp4d", AUTH_URL: "$IAM/icp4d-api", USERNAME: "ada@example.com" };
export const mcspV2 = {
  ...iam,
  AUTH_TYPE: "mcspv2",
  SCOPE_COLLECTION_TYPE: "subscriptions",
  SCOPE_ID: "20250313-0000-1111-2222-333333333333",
};

/** What only the emulator knows. */
export async function known(configuration: Configuration): Promise<Configuration> {
  const { emulator } = recorded;
  const [profile] = emulator.directory.profiles();
  const token = (await emulator.issueToken()).value;
  const text = JSON.stringify(configuration).replaceAll("$TOKEN", token);
  return JSON.parse(
    text.replaceAll("$CRN", profile?.crn ?? "").replaceAll("$PROFILE", profile?.identity.id ?? ""),
  );
}

/** The same properties as variables, as a credentials file, and as members of VCAP_SERVICES. */
export function inEachSource(properties: Record<string, string>, files: Record<string, string> = {}) {
  const lines = Object.entries(prefixed(properties)).map(([name, value]) => `${name}='${value}'\n`);
  const member = (name: string) =>
    name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  const credentials = Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [member(name), value]),
  );
  return {
    environment: { env: prefixed(properties), files },
    file: { files: { ...files, "cwd/ibm-credentials.env": lines.join("") } },
    VCAP_SERVICES: { env: { VCAP_SERVICES: JSON.stringify({ svc: [{ name: "any", credentials }] }) }, files },
  } satisfies Record<string, Configuration>;
}

/** The API key that is sent tells which source it is from. */
export const [good, other] = ["emulator-user-api-key", "emulator-service-id-api-key"] as const;
export const line = (apikey: string) => `SVC_APIKEY=${apikey}\nSVC_AUTH_URL=$IAM\n`;
export const variables = (apikey: string) => prefixed({ APIKEY: apikey, AUTH_URL: "$IAM" });
export const vcap = (services: unknown) => ({ VCAP_SERVICES: JSON.stringify(services) });
export const bound = (apikey: string, name?: string) => ({ name, credentials: { apikey, authUrl: "$IAM" } });
