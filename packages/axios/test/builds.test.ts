import type { AxiosError, AxiosInstance, AxiosResponse } from "axios";
import { describe, expect, test } from "vitest";
import * as full from "../src/http-adapter.ts";
import * as light from "../src/no-http-adapter.ts";
import { axiosVersions, loadAxios, loadForBrowsers, loadMixture } from "./axios-versions.ts";
import { failure, printed, record, startScene } from "./scene.ts";

test("what is put in the place of the part for the http adapter has the same names", () => {
  expect(Object.keys(light).sort()).toEqual(Object.keys(full).sort());
});

for (const version of axiosVersions) {
  describe(`axios ${version} in a bundle for browsers that leaves axios out`, async () => {
    const { axios, iamAxios } = await loadMixture(version);

    test("is refused where its http adapter would send, in words that name it", async () => {
      await using scene = await startScene();
      expect(() => iamAxios(axios.create(), { manager: scene.manager })).toThrow(
        `needs an instance of axios >=1.7 <2: this is axios ${version} for Node in a bundle for browsers.`,
      );
    });
  });

  for (const [name, load] of [
    ["on Node", loadAxios],
    ["in a bundle for browsers", loadForBrowsers],
  ] as const) {
    describe(`axios ${version} ${name}`, async () => {
      const { axios, iamAxios } = await load(version);
      const own = { headers: { Authorization: "own" } };

      test("an adapter that freezes what it throws shows no token, and the header goes out", async () => {
        await using scene = await startScene();
        const sent: unknown[] = [];
        const client = axios.create({
          async adapter(config) {
            sent.push(config.headers.get("authorization"));
            const request = { headers: new Headers(config.headers as unknown as HeadersInit) };
            throw Object.freeze(Object.assign(new Error("no"), { config, request }));
          },
        });
        iamAxios(client, { manager: scene.manager });
        const { accessToken } = await scene.manager.getToken();
        const error = await failure(client.get("https://x.cloud.ibm.com/"));
        expect(sent).toEqual([`Bearer ${accessToken}`]);
        expect(printed(error)).not.toContain(accessToken);
        expect(printed([...(error as { request: Request }).request.headers])).not.toContain(accessToken);
      });

      test("an adapter that is a function gives a summary of its request, and the caller's config", async () => {
        await using scene = await startScene();
        const client: AxiosInstance = axios.create({
          async adapter(config) {
            const request = { method: "GET", url: config.url, headers: { ...config.headers } };
            return { data: "", status: 200, statusText: "OK", headers: {}, config, request };
          },
        });
        iamAxios(client, { manager: scene.manager });
        const { accessToken } = await scene.manager.getToken();
        const response = await client.get("https://x.cloud.ibm.com/things");
        expect(response.request).toMatchObject({ method: "GET", url: "https://x.cloud.ibm.com/things" });
        expect(response.config.headers.has("authorization")).toBe(false);
        expect(printed(response)).not.toContain(accessToken);
      });

      test("what comes with a stream of the fetch adapter, and later, shows no token", async () => {
        await using scene = await startScene();
        await using recorder = await record((_request, response) => response.end("longer than that"));
        const seen: AxiosResponse[] = [];
        const client = axios.create({ adapter: "fetch", responseType: "stream", maxContentLength: 5 });
        iamAxios(client, { manager: scene.manager, origins: [recorder.origin] });
        const { accessToken } = await scene.manager.getToken();
        const late = await failure(
          (async () => {
            const response = await client.get<ReadableStream>(recorder.origin);
            seen.push(response);
            for await (const _ of response.data);
            throw new Error("The first versions know no limit.");
          })(),
        );
        expect(recorder.received[0]?.authorization).toBe(`Bearer ${accessToken}`);
        for (const each of [late, ...seen]) {
          expect(printed(each)).not.toContain(accessToken);
          const { request } = each as AxiosError;
          if (request?.headers) expect(printed([...request.headers])).not.toContain(accessToken);
        }
      });

      test("the caller's own Authorization stays in the config beside a stream", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const client = axios.create({
          adapter: load === loadAxios ? "http" : "fetch",
          responseType: "stream",
        });
        iamAxios(client, { manager: scene.manager, origins: [recorder.origin] });
        const { config } = await client.get(recorder.origin, own);
        await client.request(config);
        expect(recorder.received.map(({ authorization }) => authorization)).toEqual(["own", "own"]);
      });
    });
  }
}
