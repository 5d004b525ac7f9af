import { describe, expect, test, vi } from "vitest";
import { dead, failing, held, ok, refreshPoint, settle, watch, world } from "./virtual-world.ts";

describe("Workers: an exchange dies with the request that began it", () => {
  /** A clock whose timers, as far as they were set by now, never fire: their request has ended. */
  async function killRequests(it: ReturnType<typeof world>): Promise<void> {
    await settle();
    it.clock.killTimers();
  }

  test("callers that joined a dead exchange begin one of their own after 2 s, and the others join that", async () => {
    const it = world();
    it.endpoint.script.push(dead);
    void it.manager.getToken().catch(() => {});
    await killRequests(it);
    const joined = Array.from({ length: 100 }, () => watch(it.manager.getToken()));
    await it.clock.advance(1_999);
    expect(it.endpoint.requests).toHaveLength(1);
    await it.clock.advance(1);
    expect(joined.every(({ state }) => state === "resolved")).toBe(true);
    expect(it.endpoint.requests).toHaveLength(2);
  });

  test("an exchange that is slow but alive is not begun again", async () => {
    const it = world();
    const gate = held();
    it.endpoint.script.push(gate.answer);
    const joined = Array.from({ length: 100 }, () => watch(it.manager.getToken()));
    await it.clock.advance(3_900);
    expect(it.endpoint.requests).toHaveLength(1);
    gate.release();
    await settle();
    expect(joined.every(({ state }) => state === "resolved")).toBe(true);
  });

  test("a background refresh that died is begun again once its deadline has passed", async () => {
    const it = world();
    const token = await it.manager.getToken();
    await it.clock.advance(refreshPoint);
    it.endpoint.script.push(dead);
    await it.manager.getToken();
    await killRequests(it);
    await it.clock.advance(11_000);
    expect(await it.manager.getToken()).toBe(token);
    expect(it.endpoint.requests).toHaveLength(2);
    await it.clock.advance(1);
    await it.manager.getToken();
    await settle();
    expect(await it.manager.getToken()).not.toBe(token);
    expect(it.endpoint.requests).toHaveLength(3);
  });

  test("an abandoned exchange that answers late does not overwrite the newer token", async () => {
    const it = world();
    const gate = held();
    it.endpoint.script.push(gate.answer);
    void it.manager.getToken().catch(() => {});
    await killRequests(it);
    const waiting = watch(it.manager.getToken());
    await it.clock.advance(2_000);
    expect(waiting.state).toBe("resolved");
    gate.release(ok({ access_token: "late" }));
    await settle();
    expect(it.manager.peek()).toBe(waiting.value);
  });

  test("waitUntil is given the background refresh, that of the call before that of the manager", async () => {
    const byManager = vi.fn();
    const byCall = vi.fn();
    const it = world({ waitUntil: byManager });
    await it.manager.getToken();
    await it.clock.advance(refreshPoint);
    await it.manager.getToken({ waitUntil: byCall });
    expect(byCall).toHaveBeenCalledTimes(1);
    await byCall.mock.calls[0]?.[0];
    expect(it.manager.peek()).toBeDefined();
    await it.clock.advance(refreshPoint);
    it.endpoint.script.push(failing(500));
    await it.manager.getToken();
    expect(byManager).toHaveBeenCalledTimes(1);
    await expect(byManager.mock.calls[0]?.[0]).resolves.toBeUndefined();
  });

  test("a waitUntil that throws costs nothing", async () => {
    const it = world({
      waitUntil: () => {
        throw new Error("too late");
      },
    });
    const token = await it.manager.getToken();
    await it.clock.advance(refreshPoint);
    expect(await it.manager.getToken()).toBe(token);
  });
});
