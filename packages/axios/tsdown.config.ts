import { library } from "../../tsdown.base.ts";

export default library({
  // The field `browser` of package.json puts the last in the place of the one before it.
  entry: ["src/index.ts", "src/http-adapter.ts", "src/no-http-adapter.ts"],
  dts: { sourcemap: false, entry: ["src/index.ts"] },
});
