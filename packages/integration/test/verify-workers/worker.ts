import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import { discoverIam, openidTransport } from "@iam/openid-client";
import { createVerifier, type Verifier } from "@iam/verify";

interface Env {
  readonly IAM: string;
  readonly API_KEY: string;
}

// Shared by all requests of the isolate, as in a real worker.
let verifier: Verifier | undefined;
const never = new Promise<void>(() => {});

export default {
  async fetch(request: Request, env: Env, context: { waitUntil(promise: Promise<unknown>): void }) {
    const { pathname } = new URL(request.url);
    verifier ??= createVerifier({ jwksUrl: `${env.IAM}/identity/keys` });
    const token = request.headers.get("authorization")?.slice("Bearer ".length) ?? "";
    try {
      if (pathname === "/leave") {
        // Begins to ask for keys, and ends before they are there: what it began dies with it.
        void verifier.verify(token).catch(() => {});
        await Promise.race([never, new Promise((resolve) => setTimeout(resolve, 300))]);
        return Response.json("left");
      }
      if (pathname === "/openid") {
        const transport = openidTransport(await discoverIam(env.IAM));
        const manager = createTokenManager({ grant: apiKeyGrant(env.API_KEY), transport });
        return Response.json((await manager.getToken()).tokenType);
      }
      const waitUntil = context.waitUntil.bind(context);
      return Response.json((await verifier.verify(token, { waitUntil })).iam_id);
    } catch (error) {
      const { code, reason }: { code?: unknown; reason?: unknown } = Object(error);
      return Response.json(isIamError(error) ? (reason ?? code) : `foreign: ${String(error)}`);
    }
  },
};
