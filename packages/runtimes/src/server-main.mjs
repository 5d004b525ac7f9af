// For Node, Bun and Deno: the checks of every package, which the runtime itself finds in node_modules.
// Usage: server-main.mjs URL KEY REDIS
import { readdirSync } from "node:fs";
import { argv } from "node:process";
import { runChecks } from "./run-checks.mjs";

const [iam, apiKey, redis] = argv.slice(2);
const packages = {};
for (const folder of ["checks", "checks/node"]) {
  for (const file of readdirSync(new URL(folder, import.meta.url))) {
    const [, name] = /^(.+)\.mjs$/.exec(file) ?? [];
    if (!name) continue;
    // A package that cannot be loaded fails alone.
    packages[name] = await import(`./${folder}/${file}`).then(
      ({ checks }) => checks,
      (error) => ({ load: () => Promise.reject(error) }),
    );
  }
}
console.log(JSON.stringify(await runChecks(packages, { iam, apiKey, redis })));
