// What the axios interceptor costs: requests per second beside the same axios with a constant header, and microseconds
// added to a request whose adapter does nothing. Rounds are interleaved; each figure is the median of the rounds' ratios.
import { once } from "node:events";
import { Agent, createServer } from "node:http";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { iamAxios } from "@iam/axios";
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import axios, { type AxiosAdapter, type AxiosInstance } from "axios";

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Milliseconds that it takes. */
async function timeOf(client: AxiosInstance, url: string, requests: number, concurrency: number) {
  let left = requests;
  const lane = async () => {
    while (left-- > 0) await client.get(url);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, lane));
  return performance.now() - start;
}

/** The times of both, round by round, each first in turn. */
async function interleaved(
  [first, second]: readonly [AxiosInstance, AxiosInstance],
  url: string,
  { rounds, requests, concurrency }: { rounds: number; requests: number; concurrency: number },
): Promise<[number, number][]> {
  const times: [number, number][] = [];
  for (let round = -1; round < rounds; round++) {
    const swapped = round % 2 === 0;
    const a = await timeOf(swapped ? second : first, url, requests, concurrency);
    const b = await timeOf(swapped ? first : second, url, requests, concurrency);
    // The first one warms up.
    if (round >= 0) times.push(swapped ? [b, a] : [a, b]);
  }
  return times;
}

async function serve(): Promise<void> {
  const server = createServer((_request, response) => response.end('{"ok":true}'));
  server.keepAliveTimeout = 120_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  parentPort?.postMessage(server.address());
}

async function measure(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url));
  const [{ port }] = (await once(worker, "message")) as [{ port: number }];
  const url = `http://127.0.0.1:${port}/`;
  await using emulator = await startEmulator();
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey),
    tokenEndpoint: emulator.url,
  });
  const headers = { Authorization: `Bearer ${(await manager.getToken()).accessToken}` };
  const options = { manager, origins: [new URL(url).origin] };

  for (const concurrency of [1, 50]) {
    const httpAgent = new Agent({ keepAlive: true, maxSockets: concurrency });
    const plain = axios.create({ adapter: "http", httpAgent, headers });
    const ours = axios.create({ adapter: "http", httpAgent });
    iamAxios(ours, options);
    const requests = concurrency === 1 ? 600 : 1500;
    const times = await interleaved([plain, ours], url, { rounds: 15, requests, concurrency });
    const ratio = median(times.map(([constant, interceptor]) => constant / interceptor));
    const perSecond = median(times.map(([, interceptor]) => (requests / interceptor) * 1000));
    console.log(
      `axios, concurrency ${concurrency}: ${ratio.toFixed(3)} of a constant header's requests per second ` +
        `(target 0.97), ${Math.round(perSecond)} requests per second`,
    );
    httpAgent.destroy();
  }

  const adapter: AxiosAdapter = async (config) => ({
    data: "",
    status: 200,
    statusText: "OK",
    headers: {},
    config,
  });
  const plain = axios.create({ adapter, headers });
  const ours = axios.create({ adapter });
  iamAxios(ours, options);
  const requests = 20_000;
  const times = await interleaved([plain, ours], url, { rounds: 15, requests, concurrency: 1 });
  const added = median(times.map(([constant, interceptor]) => ((interceptor - constant) / requests) * 1000));
  console.log(`axios, in process: ${added.toFixed(2)} µs added to a request (target 5)`);
  await worker.terminate();
}

await (isMainThread ? measure() : serve());
