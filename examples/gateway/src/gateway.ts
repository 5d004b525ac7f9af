import type { TokenManager } from "@iam/core";
import { type BearerVerifier, iamExpress, requireIam } from "@iam/express";
import express, { type Express } from "express";

export interface GatewayOptions {
  /** Judges the tokens of callers: from `createVerifier`. */
  verifier: BearerVerifier;
  /** The token of the gateway itself: from `createTokenManager`. */
  manager: TokenManager;
  /** The API behind it. */
  api: string;
  /** Who may see what only operators see, by `iam_id`. */
  operators: string[];
}

/** Lets callers in by their IAM token, and calls an API with the gateway's own: neither ever sees the other's. */
export function gateway({ verifier, manager, api, operators }: GatewayOptions): Express {
  const app = express();

  app.get("/status", requireIam({ verifier, optional: true }), (req, res) => {
    res.json({ up: true, you: req.auth?.payload.iam_id ?? "somebody" });
  });

  app.use("/orders", requireIam({ verifier }), iamExpress({ manager, origins: [new URL(api).origin] }));
  app.get("/orders", async (req, res) => {
    const caller = encodeURIComponent(String(req.auth?.payload.iam_id));
    const answer = await req.iam.fetch(`${api}/orders?for=${caller}`);
    res.status(answer.status).json(await answer.json());
  });

  app.get("/operators", requireIam({ verifier, identities: operators }), (req, res) => {
    res.json({ hello: req.auth?.payload.iam_id });
  });

  return app;
}
