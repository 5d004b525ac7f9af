import { isIamError } from "@iam/core";
import { showToken } from "./real-iam.ts";
import { createScreen } from "./screen.ts";
import { tellStory } from "./story.ts";

const { IBMCLOUD_API_KEY: apiKey, IAM_URL: iamUrl } = process.env;
const screen = createScreen(process.stdout, process.env);

// At once: what runs is in this process alone, and a shell that waits no longer would print its prompt in between.
for (const [name, exitCode] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(name, () => {
    screen.end();
    screen.say("Stopped.");
    process.exit(exitCode);
  });
}

// Whoever read the output has gone, as `| head` does.
process.stdout.on("error", () => process.exit(1));

try {
  if (apiKey !== undefined) await showToken({ screen, apiKey, iamUrl });
  else await tellStory(screen);
} catch (error) {
  screen.end();
  process.exitCode = 1;
  const { message } = error instanceof Error ? error : new Error(String(error));
  // An option's name says nothing to whoever has set a variable.
  const variable = /^tokenEndpoint /.test(message) ? "IAM_URL: " : "";
  screen.problem(isIamError(error) ? `${variable}${message} [${error.code}]` : message);
} finally {
  screen.end();
}
