import { Readable } from "node:stream";
import { apiKeyGrant, createTokenManager, type TokenManager, type TokenManagerOptions } from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { BaseService, type UserOptions } from "ibm-cloud-sdk-core";
import { onTestFinished } from "vitest";
import { type IamAuthenticatorOptions, iamAuthenticator } from "../src/index.ts";

/** What IBM's generator makes for each of its services: a subclass whose operations call `createRequest`. */
export class ResourceService extends BaseService {
  read(path: string, headers: Record<string, string> = {}, signal?: AbortSignal) {
    return this.createRequest({
      options: { url: path, method: "GET" },
      defaultOptions: {
        ...this.baseOptions,
        headers: { Accept: "application/json", ...headers },
        axiosOptions: { signal },
      },
    });
  }

  write(path: string, body: unknown, headers: Record<string, string> = {}) {
    return this.createRequest({
      options: { url: path, method: "POST", body },
      defaultOptions: { ...this.baseOptions, headers: { Accept: "application/json", ...headers } },
    });
  }

  upload(path: string, file: Readable) {
    return this.createRequest({
      options: {
        url: path,
        method: "POST",
        formData: { file: { data: file, filename: "f", contentType: "text/plain" } },
      },
      defaultOptions: { ...this.baseOptions, headers: { Accept: "application/json" } },
    });
  }
}

export interface Scene {
  readonly emulator: RunningEmulator;
  readonly manager: TokenManager;
  readonly service: ResourceService;
}

/** A local IAM with a resource, a manager, and a service of the SDK over it; all end with the test. */
export async function scene(
  options: {
    manager?: Partial<TokenManagerOptions>;
    authenticator?: Partial<IamAuthenticatorOptions>;
    service?: Partial<UserOptions> & Record<string, unknown>;
  } = {},
): Promise<Scene> {
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey),
    tokenEndpoint: emulator.url,
    ...options.manager,
  });
  const authenticator = iamAuthenticator({ manager, ...options.authenticator });
  const service = new ResourceService({ authenticator, serviceUrl: emulator.url, ...options.service });
  return { emulator, manager, service };
}

/** A stream of one text. */
export function streamOf(text: string): Readable {
  return Readable.from([Buffer.from(text)]);
}
