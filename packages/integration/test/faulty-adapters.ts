import type { AdapterSubject, ClientSettings } from "@iam/conformance";
import {
  type AuthorizedRequest,
  apiKeyGrant,
  createTokenManager,
  type Grant,
  isIamError,
  isReplayableBody,
  originRules,
  sendAuthorized,
  type TokenManager,
} from "@iam/core";

type Settings = ClientSettings<TokenManager>;
/** A fetch for the shape that the contract sends: a URL as text, and an init. */
type Send = (url: string, init: RequestInit) => Promise<Response>;
type MakeSend = (settings: Settings) => Send;

/** An adapter with one fault, and the cases of the contract that must fail for it. */
export interface FaultyAdapter {
  readonly fault: string;
  readonly caughtBy: readonly string[];
  readonly make: MakeSend;
}

/** A subject of the contract made of a way to send. */
export function subjectOf(name: string, make: MakeSend): AdapterSubject<TokenManager, Grant> {
  return {
    name,
    core: { createTokenManager, apiKeyGrant, isIamError },
    createClient(settings) {
      const send = make(settings);
      return {
        async send({ url, ...init }) {
          const duplex = init.body instanceof ReadableStream && { duplex: "half" as const };
          const response = await send(url, Object.assign(init, duplex));
          return { status: response.status, text: await response.text(), response };
        },
      };
    },
    cannot: {
      "judge redirects": "The platform follows them, and drops the token on the way to another origin.",
    },
  };
}

/** An honest adapter as a newcomer would write it, and the place to plant a fault in one of its answers. */
export function byHand(
  plant: (
    honest: AuthorizedRequest<Response>,
    init: RequestInit,
  ) => Partial<AuthorizedRequest<Response>> = () => ({}),
): MakeSend {
  return (settings) => {
    const origins = originRules(settings);
    return (url, init) => {
      const honest: AuthorizedRequest<Response> = {
        manager: settings.manager,
        origins,
        url,
        hasAuthorization: new Headers(init.headers).has("authorization"),
        replayable: (settings.replay ?? true) && isReplayableBody(init.body),
        signal: init.signal,
        send: (token, to) => fetch(to, token ? authorized(init, token.accessToken) : init),
        isUnauthorized: ({ status, url: from }) =>
          status === 401 && new URL(from).origin === new URL(url).origin,
        discard: (response) => response.body?.cancel(),
      };
      return sendAuthorized({ ...honest, ...plant(honest, init) });
    };
  };
}

function authorized(init: RequestInit, accessToken: string, scheme = "Bearer"): RequestInit {
  const headers = new Headers(init.headers);
  headers.set("authorization", `${scheme} ${accessToken}`);
  return { ...init, headers };
}

const isStream = (init: RequestInit) => init.body instanceof ReadableStream;
const shared = new WeakMap<object, TokenManager>();

/** The kept list: each of these must be caught, or the contract has a hole. */
export const faultyAdapters: readonly FaultyAdapter[] = [
  {
    fault: "keeps the first token for ever",
    caughtBy: [
      "a revoked token costs one 401, one grant and one replay",
      "an expired token is never served: the request waits for another",
    ],
    make: ({ manager }) => {
      let first: Promise<string> | undefined;
      return async (url, init) => {
        first ??= manager.getToken().then(({ accessToken }) => accessToken);
        return fetch(url, authorized(init, await first));
      };
    },
  },
  {
    fault: "writes the scheme as the server wrote it",
    caughtBy: ["a token_type in lower case still goes out as Bearer"],
    make: byHand((_, init) => ({
      send: (token, to) => fetch(to, token ? authorized(init, token.accessToken, "bearer") : init),
    })),
  },
  {
    fault: "adds its header to the one that is there",
    caughtBy: ["an Authorization that the caller set is never overwritten"],
    make: byHand((_, init) => ({
      hasAuthorization: false,
      send: (token, to) => {
        const headers = new Headers(init.headers);
        headers.append("authorization", `Bearer ${token?.accessToken}`);
        return fetch(to, { ...init, headers });
      },
    })),
  },
  {
    fault: "overwrites the caller's Authorization",
    caughtBy: [
      "an Authorization that the caller set is never overwritten",
      "a 401 to the caller's own Authorization is the answer, and replaces nothing",
    ],
    make: byHand(() => ({ hasAuthorization: false })),
  },
  {
    fault: "takes a 401 to the caller's own Authorization for one to the token",
    caughtBy: ["a 401 to the caller's own Authorization is the answer, and replaces nothing"],
    make: (settings) => {
      const send = byHand()(settings);
      return async (url, init) => {
        const response = await send(url, init);
        const rejected = settings.manager.peek();
        if (response.status === 401 && rejected) await settings.manager.getToken({ rejected });
        return response;
      };
    },
  },
  {
    fault: "drops query and method on the way",
    caughtBy: ["method, query, headers and body arrive as the caller gave them"],
    make: byHand((_, init) => ({
      send: (token, to) => fetch(to.origin + to.pathname, authorized(init, token?.accessToken ?? "")),
    })),
  },
  {
    fault: "drops the slash at the end of a path",
    caughtBy: ["every method arrives as it is, and a slash at the end of the path"],
    make: byHand((_, init) => ({
      send: (token, to) => fetch(to.href.replace(/\/$/, ""), authorized(init, token?.accessToken ?? "")),
    })),
  },
  {
    fault: "reads the body of every answer, and so asks for it with GET",
    caughtBy: ["every method arrives as it is, and a slash at the end of the path"],
    make: byHand((_, init) => ({
      send: (token, to) => {
        const method = init.method === "HEAD" ? "GET" : (init.method ?? "GET");
        return fetch(to, authorized({ ...init, method }, token?.accessToken ?? ""));
      },
    })),
  },
  {
    fault: "writes its header into the caller's headers",
    caughtBy: ["headers that the caller gave are not edited, and can be given again"],
    make: byHand(({ send }, init) => ({
      send: (token, to) => {
        if (token && init.headers)
          Object.assign(init.headers, { authorization: `Bearer ${token.accessToken}` });
        return send(token, to);
      },
    })),
  },
  {
    fault: "puts the token into a second header too",
    caughtBy: ["the token is in the Authorization and nowhere else"],
    make: byHand((_, init) => ({
      send: (token, to) => {
        const own = authorized(init, token?.accessToken ?? "");
        const headers = new Headers(own.headers);
        headers.set("x-auth-token", token?.accessToken ?? "");
        return fetch(to, { ...own, headers });
      },
    })),
  },
  {
    fault: "makes a token manager for each request",
    caughtBy: ["100 concurrent first requests make one grant", "later requests use the held token"],
    make: (settings) => (url, init) => {
      const { manager } = settings;
      // What a manager of its own would do: never the held token.
      const getToken = async () => {
        const held = await manager.getToken();
        return manager.getToken({ rejected: held });
      };
      return byHand(() => ({ manager: { ...manager, peek: () => undefined, getToken } }))(settings)(
        url,
        init,
      );
    },
  },
  {
    fault: "keeps its manager in module state",
    caughtBy: ["clients of different managers share nothing"],
    make: (settings) => {
      const key = settings.manager.constructor;
      const manager = shared.get(key) ?? settings.manager;
      shared.set(key, manager);
      return byHand(() => ({ manager }))(settings);
    },
  },
  {
    fault: "waits for the refresh of an expiring token",
    caughtBy: ["an expiring token is served at once and refreshed beside it"],
    make: byHand(({ manager }) => ({
      manager: {
        ...manager,
        getToken: (options) => manager.getToken({ minValidityMs: 40_000, ...options }),
      },
    })),
  },
  {
    fault: "replays a second time",
    caughtBy: ["a request is replayed once, and the 401 to the replay is the answer"],
    make: (settings) => {
      const send = byHand()(settings);
      return async (url, init) => {
        const response = await send(url, init);
        return response.status === 401 && !isStream(init) ? send(url, init) : response;
      };
    },
  },
  {
    fault: "never replays",
    caughtBy: [
      "a revoked token costs one 401, one grant and one replay",
      "a body of text is replayed as it was",
    ],
    make: byHand(() => ({ replayable: false })),
  },
  {
    fault: "replays although it was told not to",
    caughtBy: ["without replay a 401 is the answer, and the token is replaced in the background"],
    make: byHand((_, init) => ({ replayable: isReplayableBody(init.body) })),
  },
  {
    fault: "takes a 403 for a 401",
    caughtBy: ["a 403 is the answer: nothing is sent again and nothing replaced"],
    make: byHand(() => ({ isUnauthorized: ({ status }) => status === 401 || status === 403 })),
  },
  {
    fault: "replays a stream as an empty body",
    caughtBy: ["a stream is never sent twice: its 401 is the answer, and the next request has another token"],
    make: byHand((_, init) => {
      let sends = 0;
      return {
        replayable: true,
        send: (token, to) => {
          const body = isStream(init) && sends++ > 0 ? "" : init.body;
          return fetch(to, authorized({ ...init, body: body ?? null }, token?.accessToken ?? ""));
        },
      };
    }),
  },
  {
    fault: "forgets the token that a stream was refused with",
    caughtBy: ["a stream is never sent twice: its 401 is the answer, and the next request has another token"],
    make: byHand(({ isUnauthorized }, init) => ({
      isUnauthorized: (response) => !isStream(init) && isUnauthorized(response),
    })),
  },
  {
    fault: "replays without the body",
    caughtBy: ["a body of text is replayed as it was", "a body of FormData is replayed as it was"],
    make: byHand((_, init) => {
      let sends = 0;
      return {
        send: (token, to) =>
          fetch(
            to,
            authorized({ ...init, body: sends++ > 0 ? null : (init.body ?? null) }, token?.accessToken ?? ""),
          ),
      };
    }),
  },
  {
    fault: "replays without the caller's headers",
    caughtBy: ["a replay is the request once more, but for the token"],
    make: byHand((_, init) => {
      let sends = 0;
      return {
        send: (token, to) => {
          const { headers, ...rest } = init;
          return fetch(to, authorized(sends++ > 0 ? rest : init, token?.accessToken ?? ""));
        },
      };
    }),
  },
  {
    fault: "replays without the query",
    caughtBy: ["a replay is the request once more, but for the token"],
    make: byHand(({ send }) => {
      let sends = 0;
      return { send: (token, to) => send(token, sends++ > 0 ? new URL(to.pathname, to) : to) };
    }),
  },
  {
    fault: "adds the next token to the one that was refused",
    caughtBy: ["a replay is the request once more, but for the token"],
    make: byHand((_, init) => {
      const headers = new Headers(init.headers);
      return {
        send: (token, to) => {
          headers.append("authorization", `Bearer ${token?.accessToken}`);
          return fetch(to, { ...init, headers });
        },
      };
    }),
  },
  {
    fault: "sends a form with the boundary of another",
    caughtBy: ["a body of FormData is replayed as it was"],
    make: byHand((_, init) => {
      if (!(init.body instanceof FormData)) return {};
      const { headers } = new Request("http://localhost", init);
      return { send: (token, to) => fetch(to, authorized({ ...init, headers }, token?.accessToken ?? "")) };
    }),
  },
  {
    fault: "sends the whole buffer for a part of it",
    caughtBy: ["a body of bytes is replayed as it was, also when they are a part of a buffer"],
    make: (settings) => {
      const send = byHand()(settings);
      return (url, init) => {
        if (!(init.body instanceof Uint8Array)) return send(url, init);
        return send(url, { ...init, body: new Uint8Array(512).fill(65) });
      };
    },
  },
  {
    fault: "replaces the held token at every 401, whichever token was refused",
    caughtBy: ["200 staggered 401s of one token make one grant and 200 answers of 200"],
    make: byHand(({ manager }) => ({
      manager: {
        ...manager,
        getToken: (options) =>
          manager.getToken(options?.rejected ? { ...options, rejected: manager.peek() } : options),
      },
    })),
  },
  {
    fault: "does not say who refused the token",
    caughtBy: ["a resource that always refuses costs one extra grant for 21 requests"],
    make: byHand(({ manager }) => ({
      manager: { ...manager, getToken: (options) => manager.getToken({ ...options, origin: undefined }) },
    })),
  },
  {
    fault: "makes an error of a 401",
    caughtBy: [
      "a resource that always refuses costs one extra grant for 21 requests",
      "when no other token can be had, the caller gets the resource's own 401",
    ],
    make: (settings) => {
      const send = byHand()(settings);
      return async (url, init) => {
        const response = await send(url, init);
        if (response.status === 401) throw new Error("Unauthorized");
        return response;
      };
    },
  },
  {
    fault: "throws the body of the final 401 away",
    caughtBy: ["a request is replayed once, and the 401 to the replay is the answer"],
    make: (settings) => {
      const send = byHand()(settings);
      return async (url, init) => {
        const response = await send(url, init);
        return response.status === 401 ? new Response(null, response) : response;
      };
    },
  },
  {
    fault: "ignores the list of origins",
    caughtBy: [
      "a request to an origin that is not listed fails, says what to add, and nothing is sent",
      'with otherOrigins "pass" another origin gets the request without a token',
      "without a list of origins no token goes to loopback",
    ],
    make:
      ({ manager }) =>
      async (url, init) =>
        fetch(url, authorized(init, (await manager.getToken()).accessToken)),
  },
  {
    fault: "judges the origin by how the URL begins",
    caughtBy: ["a port that only begins like an allowed one is another origin"],
    make: textJudge((url, origin) => url.startsWith(origin)),
  },
  {
    fault: "judges the origin by whether it occurs in the URL",
    caughtBy: [
      "a URL with the allowed origin as its query carries the token nowhere else",
      "a URL with the allowed origin as its path carries the token nowhere else",
    ],
    make: textJudge((url, origin) => url.includes(origin)),
  },
  {
    fault: "judges the host without the port",
    caughtBy: ["the other port of an allowed host is another origin"],
    make: textJudge((url, origin) => new URL(url).hostname === new URL(origin).hostname),
  },
  {
    fault: "does not check the list of origins",
    caughtBy: [
      "a list of origins with plain http beyond loopback is refused when the client is made",
      "a list of origins with a wildcard over a top-level domain is refused when the client is made",
    ],
    make: textJudge((url, origin) => new URL(url).origin === origin),
  },
  {
    fault: "says nothing of what to add to the origins",
    caughtBy: ["a request to an origin that is not listed fails, says what to add, and nothing is sent"],
    make: (settings) => {
      const send = byHand()(settings);
      return (url, init) =>
        send(url, init).catch((error) => {
          if (isIamError(error)) error.message = "Not allowed.";
          throw error;
        });
    },
  },
  {
    fault: "follows redirects with the token on",
    caughtBy: [
      "a redirect (302) to another origin carries no token",
      "a redirect (307) to another origin carries no token",
    ],
    make: byHand((_, init) => ({
      send: async (token, to) => {
        const own = { ...authorized(init, token?.accessToken ?? ""), redirect: "manual" } as const;
        const response = await fetch(to, own);
        const location = response.headers.get("location");
        return location === null ? response : fetch(new URL(location, to), own);
      },
    })),
  },
  {
    fault: "does not keep the token on a redirect within the origin",
    caughtBy: ["a redirect (303) within an origin keeps the token"],
    make: byHand((_, init) => ({
      send: async (token, to) => {
        const own = { ...authorized(init, token?.accessToken ?? ""), redirect: "manual" } as const;
        const response = await fetch(to, own);
        const location = response.headers.get("location");
        return location === null ? response : fetch(new URL(location, to), init);
      },
    })),
  },
  {
    fault: "gives the token to whoever redirects back",
    caughtBy: ["a redirect by way of another origin brings the token nowhere"],
    make: byHand(({ origins }, init) => ({
      send: async (token, to) => {
        let url = to;
        for (;;) {
          const { allowed } = origins.judge(url, { mayPass: true });
          const own = allowed ? authorized(init, token?.accessToken ?? "") : init;
          const response = await fetch(url, { ...own, redirect: "manual" });
          const location = response.headers.get("location");
          if (location === null) return response;
          url = new URL(location, url);
        }
      },
    })),
  },
  {
    fault: "takes a 401 of another origin for one of its own",
    caughtBy: ["the 401 of another origin that a redirect led to replaces nothing"],
    make: byHand(() => ({ isUnauthorized: ({ status }) => status === 401 })),
  },
  {
    fault: "sends without a token when there is none",
    caughtBy: ["a token endpoint that is down is a typed error, and nothing is sent to the resource"],
    make: (settings) => {
      const send = byHand()(settings);
      return (url, init) => send(url, init).catch(() => fetch(url, init));
    },
  },
  {
    fault: "wraps the errors of the token manager",
    caughtBy: [
      "a token endpoint that is down is a typed error, and nothing is sent to the resource",
      "a key that is refused is a typed error with IAM's code, asked for once",
    ],
    make: (settings) => {
      const send = byHand()(settings);
      return (url, init) =>
        send(url, init).catch((cause) => {
          throw isIamError(cause) ? new Error("Request failed", { cause }) : cause;
        });
    },
  },
  {
    fault: "ignores the signal while it waits for the token",
    caughtBy: ["a signal ends one caller's wait for the token, and nobody else's"],
    make: byHand(() => ({ signal: undefined })),
  },
  {
    fault: "lets the signal of the first caller end the wait of all",
    caughtBy: ["a signal ends one caller's wait for the token, and nobody else's"],
    make: (settings) => {
      const { manager } = settings;
      let first: ReturnType<TokenManager["getToken"]> | undefined;
      const getToken: TokenManager["getToken"] = (options) => {
        first ??= manager.getToken(options);
        return first;
      };
      return byHand(() => ({ manager: { ...manager, getToken } }))(settings);
    },
  },
  {
    fault: "does not hand the signal to the client",
    caughtBy: ["a signal ends the request to the resource"],
    make: byHand((_, { signal: __, ...init }) => ({
      send: (token, to) => fetch(to, token ? authorized(init, token.accessToken) : init),
    })),
  },
  {
    fault: "shows the token in its errors",
    caughtBy: ["a request that the resource cuts off is the client's own error, sent once"],
    make: byHand(({ send }) => ({
      send: (token, to) =>
        send(token, to).catch((error) => {
          throw Object.assign(error, {
            config: { headers: { Authorization: `Bearer ${token?.accessToken}` } },
          });
        }),
    })),
  },
  {
    fault: "shows the token on the response, out of sight",
    caughtBy: ["a response shows no secret, whatever its status"],
    make: byHand(({ send }) => ({
      send: async (token, to) => {
        const sent = Buffer.from(`Bearer ${token?.accessToken}`).toString("base64");
        return Object.defineProperty(await send(token, to), "sent", { value: sent, enumerable: false });
      },
    })),
  },
];

/** A judge by text in place of the parsed origin; the rest is honest. */
function textJudge(allows: (url: string, origin: string) => boolean): MakeSend {
  return ({ manager, origins: listed = [], otherOrigins }) => {
    const honest = originRules({ otherOrigins });
    return (url, init) => {
      const allowed = listed.some((origin) => allows(url, origin));
      const judge = () => (allowed ? { allowed, url: new URL(url) } : honest.judge(url));
      return byHand(() => ({ origins: { judge } }))({ manager })(url, init);
    };
  };
}
