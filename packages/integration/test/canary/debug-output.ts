import { spawn } from "node:child_process";
import { once } from "node:events";

/** Runs the other file of that name in a process of its own with debug output on: what it printed, and the token it had. */
export async function runWithDebugOutput(
  apiKey: string,
  debug: { readonly NODE_DEBUG: string; readonly DEBUG: string },
): Promise<{ output: string; accessToken: string }> {
  const child = spawn(process.execPath, [new URL("debug-output-child.ts", import.meta.url).pathname], {
    env: { ...process.env, ...debug, DEBUG_DEPTH: "20", API_KEY: apiKey },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const closed = once(child, "close");
  const [accessToken] = await Promise.race([once(child, "message"), closed.then(() => [undefined])]);
  const [code] = await closed;
  if (typeof accessToken !== "string" || code !== 0)
    throw new Error(`It ended with ${code}: ${output.slice(-2000)}`);
  return { output, accessToken };
}
