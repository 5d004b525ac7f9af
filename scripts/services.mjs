// On a Debian machine where we are root, installs what the tests use from Debian; elsewhere those tests skip and say so.
import { spawnSync } from "node:child_process";

const has = (command) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
const wanted = { "redis-server": "redis-server", chromium: "chromium" };
const missing = Object.keys(wanted).filter((command) => !has(command));

if (missing.length === 0) {
  console.log("services: redis-server and chromium are here");
} else if (process.platform !== "linux" || process.getuid?.() !== 0 || !has("apt-get")) {
  console.log(
    `services: no ${missing.join(", ")}; their tests will be skipped. Install with your package manager to run them.`,
  );
} else {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args) =>
    spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] }).status === 0;
  const packages = missing.map((command) => wanted[command]);
  const ok = apt("update", "-qq") && apt("install", "-y", "-qq", "--no-install-recommends", ...packages);
  console.log(`services: ${ok ? "installed" : "could not install"} ${packages.join(", ")}`);
}
