// What the tests need beside npm packages: a real redis-server. On a machine where it is missing and may be installed, it is;
// in CI a missing one is a failure; elsewhere this says what will be skipped and how to install it.
import { spawnSync } from "node:child_process";

const services = [
  { command: process.env.REDIS_SERVER ?? "redis-server", package: "redis-server", tests: "the Redis tests" },
];

const isThere = (command) => spawnSync(command, ["--version"]).status === 0;
const missing = services.filter(({ command }) => !isThere(command));

if (missing.length > 0 && process.getuid?.() === 0 && isThere("apt-get")) {
  const names = missing.map((service) => service.package);
  console.log(`services: installing ${names.join(", ")} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [
    ["update", "-qq"],
    ["install", "-qq", "-y", "--no-install-recommends", ...names],
  ]) {
    const { status, stdout, stderr } = spawnSync("apt-get", args, { env, encoding: "utf8" });
    if (status !== 0) console.error(`services: apt-get ${args[0]} failed.\n${stdout}${stderr}`);
  }
}

for (const { command, package: name, tests } of services) {
  if (isThere(command)) continue;
  console.error(
    `services: there is no ${command} here: ${tests} are SKIPPED. Install it, such as with: apt-get install ${name}`,
  );
  if (process.env.CI) process.exitCode = 1;
}
