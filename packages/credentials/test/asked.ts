import { createTokenManager, type Grant, type TokenRequest, tokenResponse } from "@iam/core";

/** A request that a manager made, with its secrets in sight. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly client: string | undefined;
}

/** What a manager asks for that is made of these credentials as they are. */
export async function askedWith(credentials: {
  grant: Grant;
  tokenEndpoint?: string | undefined;
}): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  const manager = createTokenManager({
    ...credentials,
    transport: async (request) => {
      asked.push(readable(request));
      const members = { access_token: "a", token: "a", token_type: "Bearer", expires_in: 3600 };
      return tokenResponse({ status: 200, body: JSON.stringify(members) });
    },
  });
  await manager.getToken();
  return asked;
}

function readable({ method, url, headers, body = "" }: TokenRequest): Asked {
  const isForm = headers["content-type"] === "application/x-www-form-urlencoded";
  const basic = /^Basic (.*)$/.exec(headers.authorization ?? "")?.[1];
  return {
    method,
    url,
    fields: isForm ? Object.fromEntries(new URLSearchParams(body)) : body ? JSON.parse(body) : {},
    client: basic && Buffer.from(basic, "base64").toString(),
  };
}
