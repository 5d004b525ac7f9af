import { readFileSync } from "node:fs";

/** What a README tells its reader to type and to run. */
export interface Readme {
  /** The packages of its `npm install` line. */
  readonly packages: readonly string[];
  /** Its TypeScript blocks, in order. */
  readonly snippets: readonly string[];
}

/** Reads the fenced blocks of a README. */
export function readReadme(path: string): Readme {
  const text = readFileSync(path, "utf8");
  const [, line = ""] = /npm install (?:--save-dev )?([^\n#]+)/.exec(text) ?? [];
  return {
    packages: line.trim().split(/\s+/),
    snippets: [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code),
  };
}
