import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { vpcInstanceGrant } from "@iam/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { emulator, failureOf, managing, metadataUrl, read } from "./grant-scene.ts";

describe("the metadata service of an instance", () => {
  test("that is silent is given up in seconds, with words about it", async () => {
    const server = createServer(() => {}).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const manager = managing(vpcInstanceGrant({ url: `http://127.0.0.1:${port}` }));
    const startedAt = performance.now();
    const error = await failureOf(read(manager));
    expect(performance.now() - startedAt).toBeLessThan(6000);
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
    expect(error.message).toMatch(
      /metadata service of a VPC instance: does this run on one, and is the service enabled there\?$/,
    );
  });

  test("is asked at its link-local address over http, with the headers it wants", async () => {
    const sent: string[] = [];
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const request = new Request(input, init);
      sent.push(`${request.method} ${request.url} ${request.headers.get("metadata-flavor")}`);
      return emulator.metadataFetch(request);
    };
    const manager = managing(vpcInstanceGrant({ version: "2025-08-26" }), { fetch });
    expect((await manager.getToken()).accessToken).toBeDefined();
    expect(sent).toEqual([
      "PUT http://169.254.169.254/identity/v1/token?version=2025-08-26 ibm",
      "POST http://169.254.169.254/identity/v1/iam_tokens?version=2025-08-26 ibm",
    ]);
  });

  test("of another generation than was asked for says so", async () => {
    const url = `${metadataUrl}/identity/v1`;
    const error = await failureOf(managing(vpcInstanceGrant({ url })).getToken());
    expect(error).toMatchObject({ status: 404, errorCode: "not_found" });
    expect(error.message).toMatch(
      /does not know version 2022-03-01 of the metadata service; give another version/,
    );
  });
});
