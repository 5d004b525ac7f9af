import { request } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { startEmulator } from "@iam/emulator";
import { generate } from "selfsigned";

/** What stands for IBM Cloud in a program that is preloaded with `loopback-cloud.mjs`. */
export interface IbmCloud extends AsyncDisposable {
  readonly port: number;
  readonly apiKey: string;
  /** The certificate of the authority, in PEM. */
  readonly certificate: string;
  readonly grants: number;
}

/**
 * Serves `https://iam.cloud.ibm.com` by the emulator, any other host under `cloud.ibm.com` by its protected
 * resource, and hosts under `example.com` by a word for everybody.
 */
export async function startIbmCloud(): Promise<IbmCloud> {
  const emulator = await startEmulator();
  const { cert, private: key } = await generate([{ name: "commonName", value: "cloud.ibm.com" }], {
    keySize: 2048,
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "*.cloud.ibm.com" },
          { type: 2, value: "*.example.com" },
        ],
      },
    ],
  });
  const server = createServer({ cert, key }, (incoming, outgoing) => {
    const { host = "", ...headers } = incoming.headers;
    if (host.endsWith(".example.com")) return void outgoing.end("somebody else's");
    const path = host === "iam.cloud.ibm.com" ? incoming.url : `/resource${incoming.url}`;
    const onward = request(
      { host: "127.0.0.1", port: emulator.port, path, method: incoming.method, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    apiKey: emulator.apiKey,
    certificate: cert,
    get grants() {
      return emulator.counters.grants;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await emulator.close();
    },
  };
}
