import { execFile } from "node:child_process";
import { cpSync, globSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { sandbox } from "./install-tarballs.ts";

const exec = promisify(execFile);
const compilers = { "5.9": "typescript-5-9", "6": "typescript-6", "7": "typescript" };
const subjects = globSync("*.ts", { cwd: resolve(import.meta.dirname, "../types") });

/** Compiles every file of `types` in the sandbox; the libraries' own declarations too. */
async function compile(
  compiler: string,
  options: Record<string, unknown>,
  include: readonly string[] = subjects,
): Promise<string> {
  cpSync(resolve(import.meta.dirname, "../types"), join(sandbox, "types"), { recursive: true });
  const config = join(sandbox, `tsconfig.${compiler}.json`);
  const compilerOptions = {
    target: "es2022",
    module: "nodenext",
    lib: ["es2023", "dom", "dom.iterable", "esnext.disposable"],
    types: ["node"],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    ...options,
  };
  writeFileSync(config, JSON.stringify({ compilerOptions, include: include.map((name) => `types/${name}`) }));
  const tsc = resolve(import.meta.dirname, "../node_modules", compiler, "bin/tsc");
  return exec(process.execPath, [tsc, "-p", config, "--pretty", "false"], {
    cwd: sandbox,
    maxBuffer: 2 ** 24,
  }).then(
    ({ stdout }) => stdout,
    (failure: Error & { stdout: string }) => `${failure.message}${failure.stdout}`,
  );
}

describe.each(Object.entries(compilers))("the packed types under TypeScript %s", (_, compiler) => {
  it("compile what must compile and refuse what must not, in strict mode, declarations checked", async () => {
    expect(await compile(compiler, {})).toBe("");
  });
  it("do so with exactOptionalPropertyTypes and module resolution of bundlers", async () => {
    const options = { exactOptionalPropertyTypes: true, module: "esnext", moduleResolution: "bundler" };
    expect(await compile(compiler, options)).toBe("");
  });
  it("do so with the module resolution of Node 16", async () => {
    expect(await compile(compiler, { module: "node16", moduleResolution: "node16" })).toBe("");
  });
  it("need no types of Node in a page or a worker", async () => {
    const names = ["axios", "core", "fetch", "ky", "openid-client", "verify"];
    expect(
      await compile(
        compiler,
        { types: [] },
        names.map((name) => `${name}.ts`),
      ),
    ).toBe("");
  });
});

it("every public package has a file of type tests", () => {
  const packages = globSync("node_modules/@iam/*", { cwd: sandbox }).map((path) => path.split("/")[2]);
  expect(subjects.map((name) => name.replace(".ts", "")).sort()).toEqual(packages.sort());
});
