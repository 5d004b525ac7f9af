// The programs from Debian that the tests need: installs what is missing where that is possible, and says so where it is not.
// The tests that need one then skip, and in CI a skipped test is a failure.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const has = (command) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
const wanted = ["redis-server", "chromium", "git"];
const isThere = (name) => has(name) || (name === "chromium" && existsSync(process.env.CHROMIUM_PATH ?? ""));
const missing = wanted.filter((name) => !isThere(name));

if (missing.length > 0) {
  const apt = (...args) =>
    spawnSync("apt-get", args, {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "ignore", "inherit"],
    }).status === 0;
  const canInstall = process.platform === "linux" && process.getuid?.() === 0 && has("apt-get");
  if (canInstall) {
    console.log(`services: installing ${missing.join(", ")} …`);
    apt("update", "-qq");
    apt("install", "-y", "-qq", "--no-install-recommends", ...missing);
  }
  const still = missing.filter((name) => !isThere(name));
  if (still.length > 0) {
    console.error(
      `services: no ${still.join(" and no ")}: the tests that need it are skipped. To run them: sudo apt-get install ${still.join(" ")}`,
    );
    if (process.env.CI) process.exitCode = 1;
  }
}
