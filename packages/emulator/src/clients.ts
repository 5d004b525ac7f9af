/** An OAuth client that may authenticate itself at the token endpoint by HTTP Basic. */
export interface Client {
  readonly id: string;
  readonly secret: string;
}

/** The clients that everyone knows: the command line's, Kubernetes', Code Engine's, and the old one with an empty secret. */
export const wellKnownClients: readonly Client[] = [
  { id: "bx", secret: "bx" },
  { id: "kube", secret: "kube" },
  { id: "ce", secret: "ce" },
  { id: "cf", secret: "" },
];

/** What an `Authorization` header said about the client. */
export type ClientAuthentication =
  | { readonly kind: "absent" }
  | { readonly kind: "unknown" }
  | { readonly kind: "known"; readonly client: Client };

/**
 * Reads HTTP Basic client authentication: base64 of the UTF-8 bytes of `id:secret`.
 *
 * Source: RFC 7617; IAM does not percent-encode the two parts first, unlike RFC 6749 section 2.3.1.
 */
export function authenticateClient(header: string | null, clients: readonly Client[]): ClientAuthentication {
  const [scheme = "", credentials = ""] = (header ?? "").trim().split(/ +/);
  if (scheme.toLowerCase() !== "basic") return { kind: "absent" };
  const text = decodeBase64(credentials);
  const colon = text.indexOf(":");
  const id = text.slice(0, Math.max(colon, 0));
  const client = clients.find((each) => each.id === id && each.secret === text.slice(colon + 1));
  return client && colon >= 0 ? { kind: "known", client } : { kind: "unknown" };
}

function decodeBase64(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
  } catch {
    return "";
  }
}
