import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createTokenManager } from "@iam/core";
import { serviceFromEnvironment } from "@iam/credentials";
import { BaseService, getAuthenticatorFromEnvironment } from "ibm-cloud-sdk-core";
import type { Recorded, RecordedEmulator } from "./recorded-emulator.ts";

/** What two clients find: variables, and files in their working and home directories. */
export interface Configuration {
  readonly env?: Readonly<Record<string, string>>;
  /** By path below a directory in which the working directory is `cwd` and the home directory `home`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Default: `svc`. */
  readonly service?: string;
}

/** What came of a client that was configured, and used for one request to the protected resource. */
export interface Outcome {
  readonly requests: readonly Recorded[];
  readonly error: (Error & { code?: unknown }) | undefined;
}

type Client = (configuration: Required<Configuration>, root: string, resource: string) => Promise<void>;

class ResourceService extends BaseService {
  read() {
    const defaultOptions = { ...this.baseOptions, headers: { Accept: "application/json" } };
    return this.createRequest({ options: { url: "/", method: "GET" }, defaultOptions });
  }
}

/** IBM's own SDK core: an authenticator of the environment, in a service such as its generator makes. */
export const official: Client = async ({ env, service }, root, resource) => {
  const authenticator = asProcessOf(env, root, () => getAuthenticatorFromEnvironment(service));
  await new ResourceService({ authenticator, serviceUrl: resource }).read();
};

/** This project: the same environment through `@iam/credentials`, a token manager and fetch. */
export const ours: Client = async ({ env, service: name }, root, resource) => {
  const service = serviceFromEnvironment({
    service: name,
    env,
    cwd: join(root, "cwd"),
    home: join(root, "home"),
  });
  const headers: Record<string, string> = { accept: "application/json" };
  if (service.authType === "basic")
    headers.authorization = `Basic ${Buffer.from(`${service.username}:${service.password()}`).toString("base64")}`;
  else if (service.authType !== "noAuth")
    headers.authorization = `Bearer ${(await createTokenManager(service).getToken()).accessToken}`;
  const response = await fetch(resource, { headers });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
};

/** Runs a client with a configuration; `$IAM`, `$METADATA` and `$ROOT` in it stand for what is only known now. */
export async function outcomeOf(
  client: Client,
  { env = {}, files = {}, service = "svc" }: Configuration,
  root: string,
  { url, metadataUrl, take }: RecordedEmulator,
): Promise<Outcome> {
  const fill = (text: string) =>
    text.replaceAll("$IAM", url).replaceAll("$METADATA", metadataUrl).replaceAll("$ROOT", root);
  for (const directory of ["cwd", "home"]) mkdirSync(join(root, directory), { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), fill(text));
  }
  const filled = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fill(value)]));
  take();
  try {
    await client({ env: filled, files, service }, root, `${url}/resource`);
    return { requests: take(), error: undefined };
  } catch (error) {
    return { requests: take(), error: error as Error };
  }
}

/** The official core reads the process itself, and only while an authenticator is being made. */
export function asProcessOf<T>(env: Readonly<Record<string, string>>, root: string, run: () => T): T {
  const before = { env: { ...process.env }, cwd: process.cwd() };
  replaceEnv({ ...env, HOME: join(root, "home") });
  process.chdir(join(root, "cwd"));
  try {
    return run();
  } finally {
    replaceEnv(before.env);
    process.chdir(before.cwd);
  }
}

function replaceEnv(env: Readonly<Record<string, string | undefined>>): void {
  for (const name of Object.keys(process.env)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, env);
}
