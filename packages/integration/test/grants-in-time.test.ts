import {
  apiKeyGrant,
  assumeGrant,
  cloudPakForDataGrant,
  type Grant,
  mcspGrant,
  passcodeGrant,
  passwordGrant,
  refreshTokenGrant,
} from "@iam/core";
import { defaultPassword } from "@iam/emulator";
import { describe, expect, test } from "vitest";
import {
  account,
  bx,
  emulator,
  failureOf,
  managing,
  profileId,
  read,
  steppedClock,
  username,
} from "./grant-scene.ts";

describe("tokens one after the other", () => {
  test("refresh tokens replace each other, and the API key takes over when the session has ended", async () => {
    const clock = steppedClock();
    const login = passwordGrant({ username, password: defaultPassword, account });
    const refreshToken = (await managing(login).getToken()).refreshToken;
    const grant = refreshTokenGrant({ ...bx, refreshToken, primary: apiKeyGrant(emulator.apiKey, bx) });
    const manager = managing(grant, { clock });
    for (const endsSessions of [false, false, true, false]) {
      if (endsSessions) emulator.endSessions();
      await read(manager);
      clock.advance(3_600_000);
      emulator.clock.advance(3_600_000);
    }
    const sent = emulator.log
      .filter(({ target }) => target === "token")
      .map(({ fields, errorCode }) => [fields.grant_type?.split(":").at(-1), errorCode]);
    expect(sent).toEqual([
      ["password", undefined],
      ["refresh_token", undefined],
      ["refresh_token", undefined],
      ["refresh_token", "BXNIM0439E"],
      ["apikey", undefined],
      ["refresh_token", undefined],
    ]);
    expect(emulator.counters.resourceRequestsByStatus).toEqual({ 200: 4 });
  });

  test("a used passcode is not sent again by a second call, nor by another manager", async () => {
    const grant = passcodeGrant(emulator.directory.createPasscode(), { account });
    await read(managing(grant));
    const error = await failureOf(read(managing(grant)));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).toMatch(/passcode has been sent before.* Get a new one at https:/);
    expect(emulator.counters.tokenRequests).toBe(1);
  });

  test("a passcode whose connection was cut is not sent again", async () => {
    const manager = managing(passcodeGrant(emulator.directory.createPasscode(), { account }));
    emulator.fault({ kind: "reset" });
    expect(await failureOf(manager.getToken())).toMatchObject({ retryable: true });
    await expect
      .poll(async () => (await failureOf(manager.getToken())).message, { timeout: 5000 })
      .toMatch(/has been sent before/);
    expect(emulator.counters.tokenRequests).toBe(1);
  });

  test("a rotated API key is seen by each grant that has one, without a restart", async () => {
    const keys: Record<string, (key: () => string) => Grant> = {
      apikey: (key) => apiKeyGrant(key),
      assume: (key) => assumeGrant(apiKeyGrant(key), { profileId }),
      mcsp: (key) => mcspGrant(key, { url: emulator.url }),
      cp4d: (apiKey) => cloudPakForDataGrant({ url: emulator.url, username, apiKey }),
    };
    for (const [name, make] of Object.entries(keys)) {
      emulator.reset();
      emulator.apiKeys.add("key-1");
      let key = "key-1";
      const clock = steppedClock();
      const manager = managing(
        make(() => key),
        { clock },
      );
      await manager.getToken();
      emulator.apiKeys.delete("key-1");
      clock.advance(86_400_000);
      emulator.clock.advance(86_400_000);
      expect(await failureOf(manager.getToken()), name).toMatchObject({ retryable: false });
      key = "key-2";
      emulator.apiKeys.add("key-2");
      clock.advance(1000);
      expect(await read(manager), name).toMatchObject({ status: 200 });
    }
  });

  test("a profile token made late in its source's life comes from a new source token", async () => {
    const clock = steppedClock();
    const manager = managing(assumeGrant(apiKeyGrant(emulator.apiKey), { profileId }), { clock });
    const lives = [];
    for (let hour = 0; hour < 4; hour++) {
      const { expiresAt = 0, obtainedAt } = await manager.getToken();
      lives.push((expiresAt - obtainedAt) / 1000);
      clock.advance(expiresAt - obtainedAt);
      emulator.clock.advance(expiresAt - obtainedAt);
    }
    expect(Math.min(...lives)).toBeGreaterThan(3500);
  });
});
