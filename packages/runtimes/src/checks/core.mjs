import { apiKeyGrant, createTokenManager, isIamError, systemClock } from "@iam/core";
import { control, counters, expect } from "../scene.mjs";

/** A clock that can be moved, so that a token expires without anybody waiting for it. */
function movableClock() {
  let ahead = 0;
  return {
    ...systemClock,
    wallNow: () => systemClock.wallNow() + ahead,
    monotonicNow: () => systemClock.monotonicNow() + ahead,
    advance(ms) {
      ahead += ms;
    },
  };
}

export const checks = {
  async grant(scene) {
    const token = await scene.createManager().getToken();
    expect(token.tokenType === "Bearer", "a Bearer token");
    expect(token.accessToken.split(".").length === 3, "a JWT");
    expect(token.expiresAt > Date.now(), "an expiry to come");
  },
  async cache(scene) {
    const manager = scene.createManager();
    const before = await counters(scene);
    await Promise.all(Array.from({ length: 50 }, () => manager.getToken()));
    await manager.getToken();
    expect((await counters(scene)).grants - before.grants === 1, "one grant for 51 calls");
  },
  async refresh(scene) {
    const clock = movableClock();
    let succeeded;
    const refreshed = new Promise((resolve) => {
      succeeded = resolve;
    });
    const manager = scene.createManager({
      clock,
      onEvent: (event) => event.type === "exchange_succeeded" && event.reason === "expiring" && succeeded(),
    });
    const first = await manager.getToken();
    clock.advance(0.9 * (first.expiresAt - first.obtainedAt));
    const during = await manager.getToken();
    expect(during.accessToken === first.accessToken, "the held token while it is refreshed");
    await refreshed;
    expect((await manager.getToken()).accessToken !== first.accessToken, "a new token afterwards");
  },
  async refusal(scene) {
    const manager = createTokenManager({ ...scene.managerOptions, grant: apiKeyGrant("not-a-known-key") });
    const error = await manager.getToken().catch((thrown) => thrown);
    expect(isIamError(error) && error.errorCode === "BXNIM0415E", "a typed refusal");
    expect(!`${error.stack}${JSON.stringify(error)}`.includes("not-a-known-key"), "no key in the error");
  },
  async "outage survived"(scene) {
    const clock = movableClock();
    let failed;
    const failure = new Promise((resolve) => {
      failed = resolve;
    });
    const manager = scene.createManager({
      clock,
      onEvent: (event) => event.type === "exchange_failed" && failed(),
    });
    const first = await manager.getToken();
    clock.advance(0.9 * (first.expiresAt - first.obtainedAt));
    await control(scene, "faults", { fault: { kind: "status", status: 503 }, times: 1 });
    await manager.getToken();
    await failure;
    expect((await manager.getToken()).accessToken === first.accessToken, "the held token after a failure");
  },
};
