import { apiKeyGrant, createTokenManager, type Token } from "@iam/core";
import { iamExpress, iamProxy } from "@iam/express";
import express from "express";

const manager = createTokenManager({ grant: apiKeyGrant("key") });
const app = express();
app.use(iamExpress({ manager }));
app.get("/", async (req, res) => {
  const token: Token = await req.iam.getToken({ minValidityMs: 1000 });
  const answer: Response = await req.iam.fetch("https://api.test");
  res.json({ type: token.tokenType, status: answer.status });
  // @ts-expect-error: the token is on no property
  res.json(req.iam.token);
});
export const proxy = iamProxy({ manager, origins: ["https://api.test"], allowAnonymous: true });
// @ts-expect-error: allowAnonymous is true or not there
iamProxy({ manager, origins: ["https://api.test"], allowAnonymous: "yes" });
