// The public API of each package as a report in docs/api: a change to it fails `pnpm check` until the report is updated by
// `pnpm api --write`, so that it is seen in review. Also a check that every export is documented.
import { existsSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";

const root = resolve(import.meta.dirname, "..");
const reports = join(root, "docs/api");
const write = process.argv.includes("--write");
let failed = false;

function problem(text) {
  console.error(text);
  failed = true;
}

/** Each entry point of a package with types, as [name of the report, path of its declarations]. */
function entriesOf(folder, { name, exports }) {
  return Object.entries(exports)
    .filter(([, target]) => typeof target?.types === "string")
    .map(([subpath, { types }]) => [
      [basename(name), ...subpath.split("/").slice(1)].join("-"),
      join(root, folder, types),
    ]);
}

function extract(folder, name, mainEntryPointFilePath) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const packageJsonFullPath = join(root, folder, "package.json");
  const config = ExtractorConfig.prepare({
    configObject: {
      mainEntryPointFilePath,
      projectFolder: join(root, folder),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: "es2022",
            module: "nodenext",
            moduleResolution: "nodenext",
            lib: ["es2023", "dom", "dom.iterable", "esnext.disposable"],
            types: ["node"],
            strict: true,
            skipLibCheck: true,
          },
          files: [mainEntryPointFilePath],
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: reports,
        reportTempFolder: join(tmpdir(), "api-reports"),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: "lf",
      messages: {
        extractorMessageReporting: {
          default: { logLevel: "none" },
        },
        compilerMessageReporting: { default: { logLevel: "error" } },
        tsdocMessageReporting: { default: { logLevel: "none" } },
      },
    },
    packageJsonFullPath,
    configObjectFullPath: undefined,
    version,
  });
  const result = Extractor.invoke(config, {
    localBuild: write,
    showVerboseMessages: false,
    messageCallback(message) {
      message.handled = true;
      if (message.logLevel === "error") problem(`${name}: ${message.text}`);
    },
  });
  for (const [, undocumented] of readFileSync(join(reports, `${name}.api.md`), "utf8").matchAll(
    /^\/\/ @public \(undocumented\)\n(.*)$/gm,
  ))
    problem(`${name}: no doc comment on: ${undocumented}`);
  if (result.apiReportChanged && !write)
    problem(`The public API of ${name} has changed. If that is meant: pnpm api --write, and a changeset.`);
}

mkdirSync(reports, { recursive: true });
const wanted = new Set();
for (const manifest of globSync("packages/*/package.json", { cwd: root }).sort()) {
  const contents = JSON.parse(readFileSync(join(root, manifest), "utf8"));
  if (contents.private) continue;
  for (const [name, types] of entriesOf(dirname(manifest), contents)) {
    wanted.add(`${name}.api.md`);
    if (existsSync(types)) extract(dirname(manifest), name, types);
    else problem(`${name}: ${types} is missing. pnpm build`);
  }
}
for (const stale of globSync("*.api.md", { cwd: reports }).filter((name) => !wanted.has(name)))
  problem(`docs/api/${stale} is of no package. Delete it.`);
console.log(`api: ${wanted.size} entry points`);
process.exitCode = failed ? 1 : 0;
