import { type Answer, jsonAnswer } from "./answer.ts";
import { type Call, judge } from "./iam.ts";
import { iamIdOf } from "./identity.ts";
import type { Verdict } from "./tokens.ts";

/** Answers a request whose bearer token has been accepted. */
export type ProtectedHandler = (call: Call, token: Accepted) => Answer | Promise<Answer>;

type Accepted = Extract<Verdict, { active: true }>;

/**
 * Puts the check of the bearer token before a handler: 401 with a challenge unless it is good.
 *
 * Source: RFC 6750 section 3, which wants no error attribute when no token was presented.
 */
export function protect(handler: ProtectedHandler): (call: Call) => Promise<Answer> {
  return async (call) => {
    const verdict = await presented(call);
    if (verdict === undefined) return refuseBearer(401);
    if (!verdict.active) return refuseBearer(401, "invalid_token", verdict.reason);
    if (!verdict.forResources || !call.iam.settings.accountValid)
      return refuseBearer(401, "invalid_token", "The token is not for a valid account.");
    return handler(call, verdict);
  };
}

/** The protected resource: says who asked, and echoes what was sent. */
export const resourceEndpoint: (call: Call) => Promise<Answer> = protect((call, { identity, claims }) => {
  const { bytes, length } = call.body;
  return jsonAnswer(
    200,
    {
      ok: true,
      method: call.method,
      path: call.url.pathname,
      search: call.url.search,
      iam_id: claims.iam_id ?? iamIdOf(identity),
      jti: claims.jti,
      content_type: call.headers.get("content-type"),
      body_bytes: length,
      body: new TextDecoder().decode(bytes),
    },
    { "transaction-id": call.transactionId },
  );
});

/** What a resource answers when it is in trouble or refuses on principle: a challenge for 401 and 403. */
export function resourceTrouble(status: number): Answer {
  if (status === 401) return refuseBearer(401, "invalid_token", "The token is refused.");
  if (status === 403) return refuseBearer(403, "insufficient_scope", "The token does not allow this.");
  return jsonAnswer(status, { error: { code: `http_${status}`, message: `HTTP ${status}` } });
}

async function presented(call: Call): Promise<Verdict | undefined> {
  const header = call.headers.get("authorization")?.trim() ?? "";
  if (!/^bearer(?: |$)/i.test(header)) return undefined;
  return judge(call.iam, header.slice("bearer".length).trim());
}

function refuseBearer(status: number, error?: string, reason?: string): Answer {
  const attributes = error === undefined ? "" : `, error="${error}", error_description="${reason}"`;
  const code = error ?? "missing_token";
  return jsonAnswer(
    status,
    { error: { code, message: reason ?? "This resource wants a bearer token." } },
    { "www-authenticate": `Bearer realm="iam-emulator"${attributes}` },
  );
}
