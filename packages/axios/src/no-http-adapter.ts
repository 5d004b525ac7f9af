import type * as full from "./http-adapter.ts";

/** In the place of `http-adapter.ts` where axios has no http adapter either: in bundles for browsers and workers. */

/** The http adapter needs all that is not here. It is there when a bundle for browsers leaves axios out, and runs on Node. */
export const unfit: typeof full.unfit = ({ getAdapter }) => {
  try {
    getAdapter("http");
    return " for Node in a bundle for browsers";
  } catch {
    return "";
  }
};

/** Only the http adapter can. */
export const hasSocket: typeof full.hasSocket = () => false;

/** The platform follows them, and drops the header on the way to another origin. */
export const followRedirects: typeof full.followRedirects = () => ({ strayed: false });

/** Only the http adapter has any. */
export const hideAgents: typeof full.hideAgents = () => {};

/** Streams of Node are not answers here. */
export const discard: typeof full.discard = (body) => body?.cancel?.().catch(() => {});

/** Errors of a body that is still being read come later and refer to this request; what is frozen keeps it. */
export const forgetRequests: typeof full.forgetRequests = (holder) => {
  const { request, data } = holder as { request?: Request; data?: ReadableStream };
  if (data?.getReader || Object.isFrozen(holder)) request?.headers?.delete?.("authorization");
};

/** Of a Request, or of an XMLHttpRequest. */
export const summaryOf: typeof full.summaryOf = ({ method, url, responseURL }) => ({
  method,
  url,
  responseURL,
});
