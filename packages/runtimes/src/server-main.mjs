// For Node, Bun and Deno: the checks of every package, which the runtime itself finds in node_modules.
// Usage: server-main.mjs URL KEY REDIS
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { runChecks } from "./run-checks.mjs";

const [iam, apiKey, redis] = argv.slice(2);
const packages = {};
for (const folder of ["checks", "checks/node"]) {
  for (const file of readdirSync(new URL(folder, import.meta.url))) {
    const [, name] = /^(.+)\.mjs$/.exec(file) ?? [];
    if (!name) continue;
    // A package that cannot be loaded fails alone.
    const checks = await import(`./${folder}/${file}`).then(
      (module) => module.checks,
      (error) => ({ load: () => Promise.reject(error) }),
    );
    packages[name] = { ...packages[name], ...checks };
  }
}
const folder = dirname(fileURLToPath(import.meta.url));
console.log(JSON.stringify(await runChecks(packages, { iam, apiKey, redis, folder })));
