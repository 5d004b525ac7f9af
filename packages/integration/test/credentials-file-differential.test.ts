import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCredentialsFile, serviceFromEnvironment } from "@iam/credentials";
import fc from "fast-check";
import { readExternalSources } from "ibm-cloud-sdk-core";
import { expect, onTestFinished, test } from "vitest";
import { asProcessOf } from "./configured-clients.ts";

function directory(): string {
  const root = mkdtempSync(join(tmpdir(), "file-differential-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const name of ["cwd", "home"]) mkdirSync(join(root, name));
  return root;
}

const space = fc.constantFrom("", " ", "\t", "  ");
const name = fc.constantFrom("SVC_A", "SVC_B", "SVC_C", "OTHER_D", "svc_E");
const character = fc.constantFrom(..."aZ09=#'\"`\\$: .-_{}[]é☃", "\\n", "\\'", '\\"');
const plain = fc.array(character).map((all) => all.join(""));
const inQuotes = fc
  .tuple(fc.constantFrom("'", '"', "`"), fc.array(fc.oneof(character, fc.constant("\n"))))
  .map(([quote, all]) => `${quote}${all.filter((each) => !each.includes(quote)).join("")}${quote}`);
const comment = fc.oneof(
  fc.constant(""),
  plain.map((text) => ` # ${text.replaceAll("\n", "")}`),
);

const setting = fc
  .tuple(fc.constantFrom("", "export ", "export  "), space, name, space, fc.constantFrom("=", ": "), space)
  .chain(([exported, before, named, between, sign, after]) =>
    fc
      .tuple(fc.oneof(plain, inQuotes), comment)
      .map(([value, trailing]) => `${before}${exported}${named}${between}${sign}${after}${value}${trailing}`),
  );
const nothing = fc.constantFrom("", "   ", "# SVC_A=no", "SVC_A", "just words", "=", "- SVC_B: x");
const file = fc
  .tuple(
    fc.constantFrom("", "\uFEFF"),
    fc.array(fc.oneof(setting, setting, nothing)),
    fc.constantFrom("\n", "\r\n"),
  )
  .map(([mark, lines, end]) => mark + lines.join(end));

/** Where dotenv reads on in the next line: an empty value before a line in quotes, or a name alone before a line with `=`. */
const readsOn = /(=|:)[^\S\n]*\r?\n\s*['"`]|[\w.-]\s*\r?\n\s*(=|:)/;

test("the credentials file is read as by the official core, whatever is in it", { timeout: 30_000 }, () => {
  const root = directory();
  const path = join(root, "file.env");
  fc.assert(
    fc.property(
      file.filter((text) => !readsOn.test(text)),
      (text) => {
        writeFileSync(path, text);
        const theirs = asProcessOf({ IBM_CREDENTIALS_FILE: path }, root, () => readExternalSources("svc"));
        const own = Object.entries(parseCredentialsFile(text)).filter(([key]) => key.startsWith("SVC_"));
        expect(Object.fromEntries(own.map(([key, value]) => [key.slice(4).toLowerCase(), value]))).toEqual(
          theirs,
        );
      },
    ),
    { numRuns: 1_000 },
  );
});

test("what is configured of the service itself is read as by the official core, booleans in any case", () => {
  const properties = { URL: "https://svc.example.com", MAX_RETRIES: "7", RETRY_INTERVAL: "10" };
  const flags = (text: string) => ({ DISABLE_SSL: text, ENABLE_GZIP: text, ENABLE_RETRIES: text });
  const read = (given: Record<string, string>) => {
    const root = directory();
    const env = Object.fromEntries(Object.entries(given).map(([key, value]) => [`SVC_${key}`, value]));
    const theirs = asProcessOf(env, root, () => readExternalSources("svc"));
    const own = serviceFromEnvironment({
      service: "svc",
      env: { ...env, SVC_AUTH_TYPE: "noAuth" },
      cwd: join(root, "cwd"),
      home: join(root, "home"),
    });
    const { disableSsl, enableGzip, enableRetries, maxRetries, url } = own;
    const ours = {
      disableSsl,
      enableGzip,
      enableRetries,
      maxRetries,
      url,
      retryInterval: undefined as unknown,
    };
    ours.retryInterval = own.maxRetryIntervalMs && own.maxRetryIntervalMs / 1000;
    return { theirs, ours };
  };
  for (const text of ["true", "false"]) {
    const { theirs, ours } = read({ ...properties, ...flags(text) });
    expect(ours).toEqual(theirs);
  }
  const { theirs, ours } = read({ ...properties, ...flags("TRUE") });
  expect(theirs).toMatchObject({ disableSsl: false, enableGzip: false, enableRetries: false });
  expect(ours).toMatchObject({ disableSsl: true, enableGzip: true, enableRetries: true });
});
