import type { Fault, RunningEmulator } from "@iam/emulator";
import type { Asking, Client } from "./clients.ts";

/** What is played: the emulator, a client of it, and a way to hold the token back. */
export interface Play {
  readonly emulator: RunningEmulator;
  readonly elsewhere: string;
  readonly client: Client;
  readonly watch: (what: string, run: () => unknown) => Promise<boolean>;
}

const body = "the body of the request";

/** Every way in which a request with a good token can go wrong. */
export const apiTroubles: Readonly<Record<string, (play: Play) => Promise<unknown>>> = {
  ...Object.fromEntries(
    [400, 401, 403, 404, 429, 500, 503].map((status) => [
      `answers ${status}`,
      always({ kind: "status", status }),
    ]),
  ),
  "cuts the connection": always({ kind: "reset" }),
  "cuts the connection within the body": always({ kind: "cut-body" }),
  "answers half of its JSON": always({ kind: "broken-json" }),
  "answers a page": always({ kind: "html", status: 502 }),
  "redirects to itself without end": async ({ emulator, client, watch }) => {
    emulator.fault({ kind: "redirect", location: "/resource" }, { target: "resource", times: "forever" });
    return watch("redirects without end", () => client.ask(`${emulator.url}/resource`));
  },
  "redirects elsewhere": async ({ emulator, elsewhere, client, watch }) => {
    emulator.fault({ kind: "redirect", location: `${elsewhere}/resource` }, { target: "resource" });
    return watch("a redirect elsewhere", () => client.ask(`${emulator.url}/resource`));
  },
  "redirects to what is no URL": async ({ emulator, client, watch }) => {
    emulator.fault({ kind: "redirect", location: "http://[" }, { target: "resource" });
    return watch("a redirect to nowhere", () => client.ask(`${emulator.url}/resource`));
  },
  "does not know the token any more, and gets another": async ({ emulator, client, watch }) => {
    emulator.revokeAll();
    return watch("a replay", () => client.ask(`${emulator.url}/resource`, { method: "POST", body }));
  },
  "is not there": async ({ client, watch }) =>
    watch("nothing listens", () => client.ask("http://127.0.0.1:1/")),
  "is another origin": async ({ elsewhere, client, watch }) =>
    watch("another origin", () => client.ask(`${elsewhere}/resource`)),
  "has credentials in its URL": async ({ emulator, client, watch }) =>
    watch("credentials in the URL", () => client.ask(emulator.url.replace("//", "//user:password@"))),
  "is given another Authorization": async ({ emulator, client, watch }) =>
    watch("a header of the caller's", () =>
      client.ask(`${emulator.url}/resource`, { headers: { authorization: "Basic Zm9vOmJhcg==" } }),
    ),
  "never answers, and the caller gives up": async ({ emulator, client, watch }) => {
    emulator.fault({ kind: "hang" }, { target: "resource" });
    const aborting = new AbortController();
    const asked = emulator.counters.resourceRequests;
    void emulator
      .until(({ resourceRequests }) => resourceRequests > asked)
      .then(() => setImmediate(() => aborting.abort()));
    return watch("given up", () => client.ask(`${emulator.url}/resource`, { signal: aborting.signal }));
  },
};

function always(fault: Fault): (play: Play) => Promise<unknown> {
  return async ({ emulator, client, watch }) => {
    emulator.fault(fault, { target: "resource", times: "forever" });
    const askings: Asking[] = [{}, { method: "POST", body }];
    for (const asking of askings)
      await watch(JSON.stringify(fault), () => client.ask(`${emulator.url}/resource`, asking));
  };
}
