import { library } from "../../tsdown.base.ts";

export default library({ platform: "node", entry: ["src/index.ts", "src/handler.ts", "src/command.ts"] });
