// The lockfile must be the same whatever registry or folder made it.
import { readFileSync } from "node:fs";

const hits = readFileSync("pnpm-lock.yaml", "utf8")
  .split("\n")
  .flatMap((line, i) =>
    /https?:\/\/|file:\//.test(line) ? [`pnpm-lock.yaml:${i + 1}: ${line.trim()}`] : [],
  );
if (hits.length > 0) {
  console.error(`The lockfile names a host or a path:\n${hits.join("\n")}`);
  process.exitCode = 1;
}
