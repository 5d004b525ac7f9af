// The byte budget of each entry point: minified, gzipped, its @iam dependencies included, its peers not.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const entries = [];

let failed = false;
for (const { name, contents, limit, external = [], platform = "neutral", conditions = [] } of entries) {
  const result = await build({
    stdin: { contents, resolveDir: "packages/benchmarks", sourcefile: "entry.mjs" },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    platform,
    conditions,
    external,
    write: false,
  });
  const bytes = gzipSync(result.outputFiles[0].contents, { level: 9 }).length;
  console.log(`size: ${name}: ${bytes} B (budget ${limit} B)`);
  if (bytes > limit) failed = true;
}
process.exitCode = failed ? 1 : 0;
