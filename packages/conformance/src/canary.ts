import { inspect } from "node:util";

/**
 * Where a secret, or a recognisable piece of one, can be read in a value: printed to any depth with hidden properties, in its
 * own properties, as JSON and by `toJSON`, as text, in the stack, in a structured clone, in bytes. Undefined when nowhere.
 *
 * Looks for the secret as it is, percent-encoded, in hexadecimal, and in both alphabets of base64 at any alignment.
 *
 * @example
 * ```ts
 * import { findSecret } from "@iam/conformance";
 * export const found = findSecret(new Error("key is s3cret-key-0123"), ["s3cret-key-0123"]); // "a secret in its inspection: …"
 * ```
 */
export function findSecret(value: unknown, secrets: Iterable<string>): string | undefined {
  // Most forms of most secrets are the same: each is looked for once.
  const byText = new Map(Array.from(secrets).flatMap(piecesOf).flatMap(formsOf));
  // Shorter ones are in everything.
  const forms = Array.from(byText, ([text, name]) => ({ text, name })).filter(({ text }) => text.length > 7);
  for (const [where, text] of printed(value)) {
    const found = forms.find(({ text: form }) => text.includes(form));
    if (found !== undefined) return `${found.name} in its ${where}: ${around(text, found.text)}`;
  }
  return undefined;
}

const pieceLength = 24;

/** Beginning, middle and end: whoever shortens a secret has shown it all the same. */
function piecesOf(secret: string): string[] {
  if (secret.length <= pieceLength) return secret === "" ? [] : [secret];
  const starts = [0, Math.floor((secret.length - pieceLength) / 2), secret.length - pieceLength];
  return [...new Set(starts.map((start) => secret.slice(start, start + pieceLength)))];
}

/** Each with what it is called. */
function formsOf(secret: string): [string, string][] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString("hex");
  const percent = encodeURIComponent(secret);
  const base64 = [0, 1, 2].flatMap((pad) => {
    const padded = Buffer.concat([Buffer.alloc(pad, " "), bytes]);
    // The characters at both ends depend on the neighbours.
    const ends = pad === 0 ? 0 : 4;
    return (["base64", "base64url"] as const).map((alphabet): [string, string] => [
      padded.toString(alphabet).replace(/=+$/, "").slice(ends, -4),
      "a secret in base64",
    ]);
  });
  return [
    [hex.replace(/..(?=.)/g, "$& "), "a secret in bytes"],
    [hex, "a secret in hexadecimal"],
    [percent.replace(/%../g, (code) => code.toLowerCase()), "a percent-encoded secret"],
    [percent, "a percent-encoded secret"],
    [secret, "a secret"],
    ...base64,
  ];
}

const everything = {
  depth: Number.POSITIVE_INFINITY,
  showHidden: true,
  getters: true,
  maxStringLength: Number.POSITIVE_INFINITY,
  maxArrayLength: Number.POSITIVE_INFINITY,
  breakLength: Number.POSITIVE_INFINITY,
};

function* printed(value: unknown): Generator<[string, string]> {
  yield ["inspection", inspect(value, everything)];
  // A class with an inspection of its own does not show what others have put on its objects.
  if (inspect.custom in Object(value)) yield ["properties", inspect(propertiesOf(value), everything)];
  yield ["JSON", attempt(() => JSON.stringify(value) ?? "")];
  // What JSON gives up at, because it goes in circles.
  yield ["toJSON()", attempt(() => inspect((value as { toJSON(): unknown }).toJSON(), everything))];
  yield ["text", attempt(() => String(value))];
  yield ["stack", attempt(() => String((value as Error).stack))];
  yield ["structured clone", attempt(() => inspect(structuredClone(value), everything))];
  // An inspection shows the first of many bytes, and those as numbers.
  yield ["bytes", bytesIn(value).join("\n")];
}

function propertiesOf(value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  const descriptors = Object.getOwnPropertyDescriptors(value);
  return Reflect.ownKeys(descriptors).map((key) => [key, Reflect.get(descriptors, key).value]);
}

/** The bytes that can be reached by properties, as text. */
function bytesIn(value: unknown): string[] {
  const found: string[] = [];
  const seen = new Set<unknown>();
  const waiting = [value];
  while (waiting.length > 0) {
    const at = waiting.pop();
    if (typeof at !== "object" || at === null || seen.has(at)) continue;
    seen.add(at);
    if (ArrayBuffer.isView(at))
      found.push(Buffer.from(at.buffer, at.byteOffset, at.byteLength).toString("latin1"));
    else if (at instanceof ArrayBuffer) found.push(Buffer.from(at).toString("latin1"));
    else if (at instanceof Map) waiting.push(...at.keys(), ...at.values());
    else if (at instanceof Set) waiting.push(...at);
    else for (const [, inside] of propertiesOf(at) as [unknown, unknown][]) waiting.push(inside);
  }
  return found;
}

function attempt(print: () => string): string {
  try {
    return print();
  } catch {
    return "";
  }
}

function around(text: string, found: string): string {
  const at = text.indexOf(found);
  return `…${text.slice(Math.max(0, at - 80), at)}<here>`;
}
