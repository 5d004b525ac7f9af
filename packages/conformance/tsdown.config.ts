import { library } from "../../tsdown.base.ts";

export default library({ platform: "node", entry: ["src/index.ts", "src/redis-server.ts"] });
