// Type-checks what people copy: every ```ts block of the READMEs and docs, and every @example of a doc comment in packages/*/src.
// Each stands alone, as a module of the package that it is written in; every @iam package can be imported. Errors are told
// at the file and line of the example. Usage: node scripts/check-examples.mjs [root of the workspace]
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "..");
const root = resolve(process.argv[2] ?? repository);
const scratch = `.examples-${process.pid}`;
const problems = [];

/** The fenced ts blocks among lines, with the index of the first line of each. */
function blocks(lines) {
  const found = [];
  let open;
  for (const [index, line] of lines.entries()) {
    if (open === undefined) {
      if (/^\s*```ts\s*$/.test(line)) open = { at: index + 1, code: [] };
    } else if (/^\s*```\s*$/.test(line)) {
      found.push(open);
      open = undefined;
    } else open.code.push(line);
  }
  // One that is never closed goes to the end, as Markdown has it.
  return open === undefined ? found : [...found, open];
}

/** The examples in the doc comments of a source file; one without a block is a problem, since nothing checks it. */
function inSource(file, lines) {
  const found = [];
  for (let start = 0; start < lines.length; start++) {
    if (!/^\s*\/\*\*/.test(lines[start])) continue;
    let end = start;
    while (end < lines.length - 1 && !lines[end].includes("*/")) end++;
    const examples = [];
    for (let at = start; at <= end; at++) if (/^\s*(\/\*)?\*\s+@example\b/.test(lines[at])) examples.push(at);
    for (const [index, at] of examples.entries()) {
      const text = lines
        .slice(at + 1, examples[index + 1] ?? end)
        .map((line) => line.replace(/^\s*\* ?/, ""));
      const inside = blocks(text).map((block) => ({ ...block, at: block.at + at + 1 }));
      if (inside.length === 0) problems.push(`${file}:${at + 1}: an @example without a \`\`\`ts block`);
      found.push(...inside);
    }
    start = end;
  }
  return found;
}

function examplesOf(file) {
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  const found = file.endsWith(".md") ? blocks(lines) : inSource(file, lines);
  return found.map((block) => ({ file, ...block }));
}

const manifests = globSync(["package.json", "packages/*/package.json", "examples/*/package.json"], {
  cwd: root,
});
const files = globSync(
  ["README.md", "docs/*.md", "packages/*/README.md", "examples/*/README.md", "packages/*/src/**/*.ts"],
  {
    cwd: root,
    exclude: (name) => name.includes("node_modules"),
  },
);
const examples = files.sort().flatMap(examplesOf);

/** Where each public module of the workspace has its types, so that any example may import any package. */
function workspaceTypes() {
  const paths = {};
  for (const manifest of manifests) {
    const { name, exports = {} } = JSON.parse(readFileSync(join(root, manifest), "utf8"));
    for (const [subpath, target] of Object.entries(exports)) {
      if (typeof target?.types !== "string") continue;
      paths[name + subpath.slice(1)] = [resolve(root, dirname(manifest), target.types)];
    }
  }
  return paths;
}

const scratches = new Set([join(root, scratch)]);
/** The example that each checked module was written for, by the path of the module. */
const written = new Map();

function write(example, index) {
  // In the package of the example, so that what the package depends on is found.
  // A page of docs/ is about a package of the same name, and else about all of them.
  const page = /^docs\/([^/]+)\.md$/.exec(example.file)?.[1];
  const about = page && `packages/${existsSync(join(root, "packages", page)) ? page : "integration"}`;
  const home = about ?? /^(packages|examples)\/[^/]+(?=\/)/.exec(example.file)?.[0] ?? ".";
  const folder = join(root, home, scratch);
  scratches.add(folder);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `example-${index}.mts`);
  // As many lines down as in its file: what tsc says of a line is then true of the file.
  writeFileSync(path, `${"\n".repeat(example.at)}${example.code.join("\n")}\n`);
  written.set(path, example);
}

try {
  for (const [index, example] of examples.entries()) write(example, index);
  const config = join(root, scratch, "tsconfig.json");
  mkdirSync(dirname(config), { recursive: true });
  const compilerOptions = {
    target: "es2022",
    module: "nodenext",
    lib: ["es2023", "dom", "dom.iterable", "esnext.disposable"],
    types: ["node"],
    typeRoots: [join(repository, "node_modules/@types")],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    moduleDetection: "force",
    skipLibCheck: true,
    noEmit: true,
    paths: workspaceTypes(),
  };
  writeFileSync(config, JSON.stringify({ compilerOptions, files: [...written.keys()] }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  if (written.size > 0) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, "-p", config, "--pretty", "false"], {
      cwd: root,
      encoding: "utf8",
    });
    if (status !== 0)
      problems.push(
        ...(stdout + stderr)
          .trim()
          .split(/\n(?! )/)
          .map(atExample),
      );
  }
} finally {
  for (const folder of scratches) if (existsSync(folder)) rmSync(folder, { recursive: true });
}

/** An error line of tsc at the place where the example stands. */
function atExample(line) {
  const [, path, row, rest] = /^(.+?)\((\d+),\d+\): (.*)$/s.exec(line) ?? [];
  const example = path && written.get(resolve(root, path));
  return example ? `${example.file}:${row}: ${rest}` : line;
}

for (const problem of problems) console.error(problem);
const from = new Set(examples.map(({ file }) => file)).size;
console.log(`examples: ${examples.length} in ${from} files, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
