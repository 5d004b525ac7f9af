import { fetchTransport, type TokenTransport } from "@iam/core";

/** A transport to one URL, and what may be said of that URL. */
export interface AskingAt {
  /** Without its query, which may hold a secret. For requests and for messages. */
  readonly shown: string;
  /** Carries a request for the URL that is shown to the one that is meant. */
  readonly transport: TokenTransport;
}

/** Makes a transport whose errors do not show the query of the URL that it asks. */
export function askingAt(
  url: string,
  { fetch }: { readonly fetch: typeof globalThis.fetch | undefined },
): AskingAt {
  const { origin, pathname } = new URL(url);
  return {
    shown: `${origin}${pathname}`,
    // Late, so that patches of the platform's own apply.
    transport: fetchTransport({ fetch: (_, init) => (fetch ?? globalThis.fetch)(url, init) }),
  };
}
