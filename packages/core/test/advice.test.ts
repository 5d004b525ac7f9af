import { expect, test } from "vitest";
import {
  createTokenManager,
  passwordGrant,
  TokenEndpointError,
  type TokenTransport,
  tokenResponse,
} from "../src/index.ts";

const grant = passwordGrant({ username: "ada@example.com", password: "her-password" });
const tokenEndpoint = "https://iam.example.com/token";

async function messageWith(transport: TokenTransport): Promise<string> {
  return createTokenManager({ grant, tokenEndpoint, transport })
    .getToken()
    .then(String, (error: Error) => error.message);
}
const answering = (status: number, errorCode: string): TokenTransport => {
  return async () => tokenResponse({ status, body: JSON.stringify({ errorCode }) });
};

test("the words of a grant stand in place of the general advice, behind what happened", async () => {
  expect(await messageWith(answering(401, "BXNIM0602E"))).toBe(
    `The token endpoint ${tokenEndpoint} answered HTTP 401, BXNIM0602E: the user name or the password is wrong.`,
  );
});

test("a refusal that a grant has no words for keeps the general advice", async () => {
  expect(await messageWith(answering(400, "BXNIM9999E"))).toMatch(/BXNIM9999E: check the credentials\.$/);
});

test("a transport's own words for a refusal stay as they are", async () => {
  const transport: TokenTransport = async () => {
    const details = { status: 400, errorCode: "BXNIM0602E" };
    throw new TokenEndpointError(
      "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      "The client refused: look there.",
      details,
    );
  };
  expect(await messageWith(transport)).toBe("The client refused: look there.");
});
