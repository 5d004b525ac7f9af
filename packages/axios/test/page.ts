import { JSDOM, requestInterceptor } from "jsdom";

const permissive = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "*",
  "access-control-expose-headers": "*",
};

/** Lets the page ask any origin: neither IAM nor the emulator answers pages, and CORS is not what is tested. */
const withoutCors = requestInterceptor(async (request: Request) => {
  if (request.headers.has("access-control-request-method")) {
    return new Response(null, { status: 204, headers: permissive });
  }
  const { status, statusText, headers, body } = await fetch(request, { redirect: "manual" });
  return new Response(body, {
    status,
    statusText,
    headers: [...headers, ...Object.entries(permissive)],
  });
});

const { window } = new JSDOM("", { url: "http://127.0.0.1/", resources: { interceptors: [withoutCors] } });

// A set-up file: axios looks for it once, when it is imported.
Object.assign(globalThis, { XMLHttpRequest: window.XMLHttpRequest });
