import type { FaultCase } from "./fault-cases.ts";
import type { HeldToken, Observation } from "./fault-scene.ts";

/** What each client showed of one fault with one kind of token. */
type ByClient = Readonly<Record<string, Observation>>;

/** Everything that was seen of one fault. */
export interface FaultRecord {
  readonly heading: string;
  readonly faultCase: FaultCase;
  readonly seen: Readonly<Record<HeldToken, ByClient>>;
}

/** The columns: the tokens that one cell is about, each with the word for it when they differ. */
const columns: readonly { readonly title: string; readonly held: readonly HeldToken[] }[] = [
  { title: "no token, and it happens once", held: ["none, once"] },
  { title: "no token, or an expired one", held: ["none", "expired"] },
  { title: "expiring", held: ["expiring"] },
  { title: "revoked: the API answers 401", held: ["revoked"] },
];

/** The page of the table, out of what was seen. */
export function faultPage(records: readonly FaultRecord[]): string {
  const headings = [...new Set(records.map(({ heading }) => heading))];
  return [
    intro(records),
    ...headings.map((heading) =>
      chapter(
        records.filter((record) => record.heading === heading),
        heading,
      ),
    ),
    messages(records),
  ].join("\n");
}

/** The row of one fault. */
export function faultRow({ faultCase, seen }: FaultRecord): string {
  const cells = columns.map(({ held }) => merged(held.map((each) => [each, cell(seen[each])])));
  return `| ${[faultCase.does, ...cells].join(" | ")} |`;
}

function intro(records: readonly FaultRecord[]): string {
  const cells = records.flatMap(({ seen }) => Object.values(seen));
  const clients = Object.keys(cells[0] ?? {});
  const disagreeing = cells.filter((byClient) => new Set(Object.values(byClient).map(said)).size > 1);
  const agreement =
    disagreeing.length === 0
      ? `They agree in all ${cells.length} cases`
      : `They disagree in ${disagreeing.length} of ${cells.length} cases, which say so`;
  const noticed = records.filter(({ seen }) => !Object.values(seen.fresh).every(isUntouched));
  const untouched =
    noticed.length === 0
      ? "**while a token is fresh none of the faults is noticed**: 200, and no token request"
      : `with a fresh token these are noticed: ${noticed.map(({ faultCase }) => faultCase.does).join("; ")}`;
  return `<!-- Made by \`pnpm faults\`: do not edit. -->

# When the token endpoint fails

What happens to a request, by what the token endpoint does and by the token that is held: ${records.length} faults, played with
${clients.join(", ")} over real sockets against the emulator. ${agreement}, and
${untouched}.

How to read it:

- Unless a column says otherwise, the fault lasts until the request has been answered, and then is gone.
- **fails**: fetch, axios and ky throw the error of the last table; with \`iamExpress\` the handler does not run, and its caller
  gets 503${retryAfters(records)}.
- **401**: the API's own 401, as the client gives it: no other token was to be had.
- **after 9 s** is what the caller waited, \`requests\` are token requests until everything had ended, background work included,
  and **well 1 s later** is when, after that, a request makes the manager get a good token; before that nobody asks the token
  endpoint. A revoked token that no other was to be had for is tried again meanwhile: other APIs may accept it.
- An expiring token is served at once, and renewed beside the request: there "renewed" is what comes later.
- Time is that of the manager's clock, which stands still while bytes travel; deadlines are the defaults. Jitter is at its middle.
`;
}

function retryAfters(records: readonly FaultRecord[]): string {
  const others = records.filter(({ seen }) =>
    Object.values(seen).some(({ express }) => {
      const { retryAfterS, recoveredAfterMs = 0 } = express ?? {};
      return retryAfterS !== undefined && retryAfterS !== Math.ceil(recoveredAfterMs / 1000);
    }),
  );
  const but = others.map(({ faultCase }) => `\`${faultCase.does}\``).join(", ");
  return ` with a \`Retry-After\` of just the time until it is well${but && ` (but for ${but}: what it was told)`}`;
}

function chapter(records: readonly FaultRecord[], heading: string): string {
  const titles = ["the token endpoint …", ...columns.map(({ title }) => title)];
  return `## ${heading}

| ${titles.join(" | ")} |
| ${titles.map(() => "---").join(" | ")} |
${records.map(faultRow).join("\n")}
`;
}

function messages(records: readonly FaultRecord[]): string {
  const faultsOf = new Map<string, Set<string>>();
  for (const { faultCase, seen } of records) {
    for (const { error } of Object.values(seen).flatMap((byClient) => Object.values(byClient))) {
      if (error === undefined) continue;
      const line = `\`${error.code}\` | ${error.message}`;
      faultsOf.set(line, (faultsOf.get(line) ?? new Set()).add(faultCase.does));
    }
  }
  const lines = Array.from(faultsOf, ([line, faults]) => `| ${line} | ${[...faults].join("; ")} |`);
  return `## What the errors say

To the caller, or by the event \`exchange_failed\` when the exchange ran in the background. The transaction is IAM's, for its
support.

| code | message | the token endpoint … |
| --- | --- | --- |
${lines.sort().join("\n")}
`;
}

/** One text when all are alike, else each with the name that it is about. */
function merged(named: readonly (readonly [string, string])[]): string {
  const [first, ...others] = named;
  if (first === undefined) return "";
  if (others.every(([, text]) => text === first[1])) return first[1];
  return named.map(([name, text]) => `${name}: ${text}`).join("<br>");
}

function cell(byClient: ByClient): string {
  return merged(Object.entries(byClient).map(([client, seen]) => [client, words(seen)]));
}

function words({ result, waitedMs, tokenRequests, recoveredAfterMs }: Observation): string {
  const waited = waitedMs === 0 ? "" : ` after ${seconds(waitedMs)}`;
  const requests = `${tokenRequests} request${tokenRequests === 1 ? "" : "s"}`;
  const later = result === 200 ? "renewed" : "well";
  const recovery = recoveredAfterMs === undefined ? "" : `, ${later} ${seconds(recoveredAfterMs)} later`;
  return `**${result}**${waited}, ${requests}${recovery}`;
}

function seconds(ms: number): string {
  return ms >= 3_600_000 ? `${ms / 3_600_000} h` : `${ms / 1000} s`;
}

/** All but what Express alone can say. */
function said({ retryAfterS, ...common }: Observation): string {
  return JSON.stringify(common);
}

function isUntouched({ result, tokenRequests, waitedMs }: Observation): boolean {
  return result === 200 && tokenRequests === 0 && waitedMs === 0;
}
