import { inspect } from "node:util";

/**
 * Where a secret can be read in a value: printed to any depth with hidden properties and getters, in its own properties, as
 * JSON, as text, in the stack. Undefined when nowhere. Looks for the secret as it is, percent-encoded, and in base64 of any alignment.
 */
export function findSecret(value: unknown, secrets: Iterable<string>): string | undefined {
  const forms = Array.from(secrets).flatMap(formsOf);
  for (const [where, text] of printed(value)) {
    const found = forms.find(({ text: form }) => text.includes(form));
    if (found !== undefined) return `${found.name} in its ${where}: ${around(text, found.text)}`;
  }
  return undefined;
}

function formsOf(secret: string): { name: string; text: string }[] {
  if (secret === "") return [];
  const base64 = [0, 1, 2].map((pad) => {
    const text = Buffer.from(" ".repeat(pad) + secret).toString("base64url");
    // The characters at both ends depend on the neighbours.
    return { name: "a secret in base64", text: text.slice(pad === 0 ? 0 : 4, -4) };
  });
  return [
    { name: "a secret", text: secret },
    { name: "a percent-encoded secret", text: encodeURIComponent(secret) },
    ...base64,
  ];
}

function printed(value: unknown): [string, string][] {
  const options = {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    getters: true,
    maxStringLength: Number.POSITIVE_INFINITY,
    maxArrayLength: Number.POSITIVE_INFINITY,
    breakLength: Number.POSITIVE_INFINITY,
  };
  const stack = value instanceof Error ? (value.stack ?? "") : "";
  return [
    ["inspection", inspect(value, options)],
    // A class with an inspection of its own does not show what others have put on its objects.
    ["properties", inspect(propertiesOf(value), options)],
    ["JSON", attempt(() => JSON.stringify(value) ?? "")],
    ["text", attempt(() => String(value))],
    ["stack", stack],
  ];
}

function propertiesOf(value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  const descriptors = Object.getOwnPropertyDescriptors(value);
  return Reflect.ownKeys(descriptors).map((key) => [key, Reflect.get(descriptors, key).value]);
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
