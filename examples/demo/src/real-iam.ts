import { apiKeyGrant, createTokenManager, type Token } from "@iam/core";
import { decodeJwt } from "jose";
import { counted, duration, harmless, type Screen } from "./screen.ts";

/** Gets one token from a real IAM, and shows who it is for and when it expires, never the token. */
export async function showToken(options: {
  screen: Screen;
  apiKey: string;
  iamUrl: string | undefined;
}): Promise<void> {
  const { screen, apiKey, iamUrl } = options;
  screen.say("@iam: one token for the API key in IBMCLOUD_API_KEY", "bold");
  let exchanges = 0;
  const manager = createTokenManager({
    grant: apiKeyGrant(apiKey),
    tokenEndpoint: iamUrl,
    onEvent(event) {
      if (event.type === "exchange_started") exchanges++;
    },
  });
  // Whatever is no token endpoint has been refused by now, so this is true, and shows nothing that is secret.
  const endpoint = iamUrl === undefined ? "https://iam.cloud.ibm.com" : `${new URL(iamUrl).origin} (IAM_URL)`;
  screen.say(`The key goes to ${endpoint} and nowhere else. The token is not shown.`);
  screen.say("");
  try {
    screen.status(["Asking for a token …"]);
    const startedAt = performance.now();
    const token = await manager.getToken();
    const tookMs = performance.now() - startedAt;
    // The second time there is nothing to wait for: the manager holds the token.
    await manager.getToken();
    screen.status([]);
    screen.done(
      `The token endpoint granted a token within ${duration(tookMs)}.`,
      `Asked for it twice, ${counted(exchanges, "exchange")}: the token is kept until shortly before it expires.`,
    );
    screen.table(describe(token));
    screen.say("The names are what the token says of itself: decoded, not verified.", "dim");
  } finally {
    await manager[Symbol.asyncDispose]();
  }
}

function describe(token: Token): [string, string][] {
  const claims = claimsOf(token.accessToken);
  const { name, iam_id, account, sub_type } = claims;
  return [
    ["Name", shown(name)],
    ["Kind", sub_type === undefined ? "user" : shown(sub_type)],
    ["iam_id", shown(iam_id)],
    [
      "Account",
      shown(typeof account === "object" && account !== null && "bss" in account ? account.bss : undefined),
    ],
    ["Expires", expiry(token.expiresAt)],
  ];
}

/** The claims of a JWT without verification; none of an opaque token. */
function claimsOf(accessToken: string): Record<string, unknown> {
  try {
    return decodeJwt(accessToken);
  } catch {
    return {};
  }
}

function shown(claim: unknown): string {
  return typeof claim === "string" && claim !== ""
    ? harmless(claim).slice(0, 200)
    : "(the token does not say)";
}

function expiry(expiresAt: number | undefined): string {
  if (expiresAt === undefined) return "(not told: usable until it is refused)";
  const leftS = Math.max(0, Math.round((expiresAt - Date.now()) / 1000));
  const at = new Date(expiresAt).toISOString().replace("T", " ").slice(0, 19);
  return `${at} UTC, in ${Math.floor(leftS / 60)} min ${leftS % 60} s`;
}
