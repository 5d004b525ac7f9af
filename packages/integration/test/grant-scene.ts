import {
  apiKeyGrant,
  type Clock,
  createTokenManager,
  delegatingGrant,
  type Grant,
  isIamError,
  passwordGrant,
  systemClock,
  type TokenManager,
  type TokenManagerOptions,
} from "@iam/core";
import {
  defaultPassword,
  defaultProfile,
  defaultUser,
  type RunningEmulator,
  startEmulator,
} from "@iam/emulator";
import { iamFetch } from "@iam/fetch";
import { afterAll, beforeAll, beforeEach, onTestFinished } from "vitest";

export const account = "0123456789abcdef0123456789abcdef";
export const otherAccount = "f".repeat(32);
export const profileId = defaultProfile.id;
export const profileName = defaultProfile.name;
export const profileCrn = `crn:v1:bluemix:public:iam-identity::a/${account}::profile:${profileId}`;
export const serviceId = "crn-crn:v1:bluemix:public:cloud-object-storage:global:a/1:2::";
export const username = defaultUser.email;
export const bx = { clientId: "bx", clientSecret: "bx" };
export const kube = { clientId: "kube", clientSecret: "kube" };

/** An IAM that knows nothing of the test before. */
export let emulator: RunningEmulator;
export let metadataUrl: string;

beforeAll(async () => {
  emulator = await startEmulator();
  metadataUrl = (await emulator.listen({ service: "metadata" })).url;
});
beforeEach(() => emulator.reset());
afterAll(() => emulator.close());

/** A manager for the emulator, which ends with the test. */
export function managing(grant: Grant, options: Partial<TokenManagerOptions> = {}): TokenManager {
  const manager = createTokenManager({ grant, tokenEndpoint: emulator.url, ...options });
  onTestFinished(() => manager[Symbol.asyncDispose]());
  return manager;
}

/** Reads the protected resource with a token of the manager's, through fetch: who the emulator takes the caller for. */
export async function read(manager: TokenManager): Promise<Record<string, unknown>> {
  const fetch = iamFetch({ manager, origins: [emulator.url] });
  const response = await fetch(`${emulator.url}/resource/things`);
  const body: unknown = await response.json();
  return { status: response.status, ...(body as object) };
}

/** The IamError that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isIamError(error)) throw new Error("an IamError was expected");
  return error as unknown as Error & Record<string, unknown>;
}

/** A refresh token of the user, for the client `bx`. */
export async function refreshTokenOf(): Promise<string> {
  const { refreshToken } = await managing(
    passwordGrant({ username, password: defaultPassword, account }),
  ).getToken();
  if (refreshToken === undefined) throw new Error("a refresh token was expected");
  return refreshToken;
}

/** A delegated refresh token that only the receiver can redeem. */
export async function delegatedTo(receiver: string): Promise<string> {
  const grant = delegatingGrant(apiKeyGrant(emulator.apiKey), { receiverClientIds: [receiver] });
  return (await managing(grant).getToken()).refreshToken ?? "";
}

export const asUser = { status: 200, iam_id: defaultUser.iamId };
export const asProfile = { status: 200, iam_id: `iam-${profileId}` };
export const asService = { status: 200, iam_id: serviceId };

/** The system's clock, which can be moved on; timers are real. */
export function steppedClock(): Clock & { advance(ms: number): void } {
  let ahead = 0;
  return {
    wallNow: () => systemClock.wallNow() + ahead,
    monotonicNow: () => systemClock.monotonicNow() + ahead,
    setTimer: systemClock.setTimer,
    advance(ms) {
      ahead += ms;
    },
  };
}
