import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { apiKeyGrant, createTokenManager, crTokenGrant, systemClock } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { describe, expect, onTestFinished, test } from "vitest";
import { crTokenFile, crTokenFiles, secretFile } from "../src/index.ts";
import { asNobody, directoryWith, thrownBy } from "./places.ts";

/** Every way in which a file can be of no use, and how the error tells it. */
const useless: readonly [string, (path: string) => void, RegExp][] = [
  ["missing", () => {}, /does not exist/],
  ["empty", (path) => writeFileSync(path, ""), /is empty/],
  ["of white space", (path) => writeFileSync(path, " \r\n"), /is empty/],
  ["a directory", (path) => mkdirSync(path), /is a directory, not a file/],
  ["a link that leads nowhere", (path) => symlinkSync(`${path}-gone`, path), /does not exist/],
  ["a device", (path) => symlinkSync("/dev/null", path), /is not a regular file/],
  ["of more than a megabyte", (path) => writeFileSync(path, "k".repeat(1_048_577)), /is larger than 1 MiB/],
];

describe("a key or a token in place of the path of its file", () => {
  const key = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR";
  test.for([key, `${key}.${key.repeat(8)}.sig`, `{"apikey":"k-123"}`, "KEY=k-123", "k-123\nk-123"])(
    "is not shown: %j",
    (misplaced) => {
      for (const read of [secretFile(misplaced), crTokenFile(misplaced), crTokenFile([misplaced])]) {
        const { message, code } = thrownBy(read);
        expect(code).toBe("ERR_IAM_CONFIG");
        expect(message).toMatch(/not shown/);
        expect(message).not.toMatch(/k-123|aB3d/);
      }
    },
  );
});

describe("a secret in a file", () => {
  test.for(["the-key", "the-key\n", "  the-key\r\n\n"])(
    "is read without white space around it: %j",
    (text) => {
      expect(secretFile(join(directoryWith({ key: text }), "key"))()).toBe("the-key");
    },
  );

  test("of a megabyte is not too large", () => {
    const text = "k".repeat(1_048_576);
    expect(secretFile(join(directoryWith({ key: text }), "key"))()).toBe(text);
  });

  test("that the console or the CLI saved as JSON is the API key in it", () => {
    const saved = { name: "ci", description: "", createdAt: "2026-01-01T00:00+0000", apikey: "the-key" };
    expect(secretFile(join(directoryWith({ key: `${JSON.stringify(saved, null, 2)}\n` }), "key"))()).toBe(
      "the-key",
    );
  });

  test.for(['{"apikey": "canary"', '{"key":"canary"}', '{"apikey":["canary"]}'])(
    "that is JSON without an API key is refused without being quoted: %s",
    (text) => {
      const file = join(directoryWith({ key: text }), "key");
      const error = thrownBy(secretFile(file));
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: true });
      expect(error.message).toContain(file);
      expect(inspect(error, { showHidden: true })).not.toContain("canary");
    },
  );

  test.for(useless)(
    "that is %s fails with an error that names the file, and works once it is there",
    ([, spoil, words]) => {
      const file = join(directoryWith(), "key");
      const read = secretFile(file);
      spoil(file);
      const error = thrownBy(read);
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: true });
      expect(error.message).toContain(file);
      expect(error.message).toMatch(words);
      rmSync(file, { recursive: true, force: true });
      writeFileSync(file, "the-key");
      expect(read()).toBe("the-key");
    },
  );

  test("that may not be read fails with an error that says so, and works once it may", () => {
    const directory = directoryWith({ key: "the-key" });
    const file = join(directory, "key");
    chmodSync(directory, 0o755);
    chmodSync(file, 0o000);
    const read = secretFile(file);
    expect(thrownBy(() => asNobody(read)).message).toBe(
      `The file ${file} may not be read by this process (EACCES).`,
    );
    chmodSync(file, 0o644);
    expect(asNobody(read)).toBe("the-key");
  });

  test.for<unknown>([undefined, "", 7])("needs a path: %j is ERR_IAM_CONFIG at once", (path) => {
    expect(thrownBy(() => secretFile(path as string))).toMatchObject({ code: "ERR_IAM_CONFIG" });
  });

  test("is read again when the key was refused: a key that is rotated as Kubernetes does it needs no restart", async () => {
    const emulator = await startEmulator();
    onTestFinished(() => emulator.close());
    const mounted = directoryWith({
      "..1/api-key": "a-key-that-was-deleted",
      "..2/api-key": `${emulator.apiKey}\n`,
    });
    symlinkSync("..1", join(mounted, "..data"));
    symlinkSync("..data/api-key", join(mounted, "api-key"));
    let ahead = 0;
    const manager = createTokenManager({
      grant: apiKeyGrant(secretFile(join(mounted, "api-key"))),
      tokenEndpoint: emulator.url,
      clock: { ...systemClock, monotonicNow: () => systemClock.monotonicNow() + ahead },
    });
    await expect(manager.getToken()).rejects.toMatchObject({ errorCode: "BXNIM0415E" });
    symlinkSync("..2", join(mounted, "..data_tmp"));
    renameSync(join(mounted, "..data_tmp"), join(mounted, "..data"));
    // The secret is looked at once a second while a refusal is remembered.
    ahead = 1001;
    expect((await manager.getToken()).accessToken).toMatch(/^ey/);
  });
});

describe("the token of a compute resource", () => {
  test("is looked for in three files, in this order", () => {
    expect(crTokenFiles).toEqual([
      "/var/run/secrets/tokens/vault-token",
      "/var/run/secrets/tokens/sa-token",
      "/var/run/secrets/codeengine.cloud.ibm.com/compute-resource-token/token",
    ]);
  });

  test.for([
    [{ "1": "one\n", "2": "two", "3": "three" }, "one"],
    [{ "2": "two\n", "3": "three" }, "two"],
    [{ "3": " three " }, "three"],
    [{ "1": "", "2": "\n", "3": "three" }, "three"],
  ] as const)("is in the first file that can be read and is not empty: %j", ([files, token]) => {
    const directory = directoryWith(files);
    expect(crTokenFile(["1", "2", "3"].map((name) => join(directory, name)))()).toBe(token);
  });

  test("comes from the one file that is named, and from no other", () => {
    const directory = directoryWith({ "1": "one", "2": "" });
    const error = thrownBy(crTokenFile(join(directory, "2")));
    expect(error.message).toBe(`The CR token file ${join(directory, "2")} is empty.`);
  });

  test("that is nowhere fails with an error that names every file", () => {
    const directory = directoryWith({ "2": "" });
    const error = thrownBy(crTokenFile(["1", "2"].map((name) => join(directory, name))));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: true });
    expect(error.message).toBe(
      `The CR token file ${directory}/1 does not exist. The CR token file ${directory}/2 is empty.`,
    );
  });

  test.for(useless)(
    "that is %s fails getToken with a typed error, and the next call works once the file is there",
    async ([, spoil, words]) => {
      const emulator = await startEmulator();
      onTestFinished(() => emulator.close());
      const file = join(directoryWith(), "token");
      spoil(file);
      const grant = crTokenGrant(crTokenFile(file), { profileName: "emulator-profile" });
      const manager = createTokenManager({ grant, tokenEndpoint: emulator.url });
      const failure = manager.getToken();
      await expect(failure).rejects.toMatchObject({
        name: "IamError",
        code: "ERR_IAM_CONFIG",
        retryable: true,
      });
      await expect(failure).rejects.toThrow(words);
      await expect(failure).rejects.toThrow(file);
      rmSync(file, { recursive: true, force: true });
      writeFileSync(file, "emulator-cr-token\n");
      expect((await manager.getToken()).accessToken).toMatch(/^ey/);
      expect(emulator.counters).toMatchObject({ tokenRequests: 1, grants: 1 });
    },
  );

  test("is read again for each exchange, because the platform replaces it", async () => {
    const emulator = await startEmulator();
    onTestFinished(() => emulator.close());
    const file = join(directoryWith({ token: "emulator-cr-token" }), "token");
    const grant = crTokenGrant(crTokenFile(file), { profileName: "emulator-profile" });
    const manager = createTokenManager({ grant, tokenEndpoint: emulator.url });
    const first = await manager.getToken();
    writeFileSync(file, "another-token");
    const rejected = manager.getToken({ rejected: first, origin: "https://api.example.com" });
    await expect(rejected).rejects.toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED" });
    const [one, two] = emulator.log.map(({ fields }) => fields.cr_token);
    expect(two).toMatch(/redacted/);
    expect(two).not.toBe(one);
  });
});
