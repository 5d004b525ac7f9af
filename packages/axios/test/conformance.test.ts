import { Readable } from "node:stream";
import { testAdapter } from "@iam/conformance";
import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import type { AxiosResponse } from "axios";
import { axiosAdapters, axiosVersions, type Loaded, loadAxios, loadForBrowsers } from "./axios-versions.ts";

const platformFollows = "the platform follows the redirect, and drops the token on the way to another origin";
const fetchCannot = {
  "judge redirects": platformFollows,
  "tell where a redirect led": "the fetch adapter of axios does not give the URL of the response",
  "send forms": "axios gives its fetch adapter a wrong content type for them on Node, with or without us",
  "send blobs": "axios gives its fetch adapter a wrong content type for them on Node, with or without us",
} as const;
const xhrCannot = {
  "judge redirects": platformFollows,
  "send streams": "an XMLHttpRequest takes no stream",
  "send forms": "the XMLHttpRequest of jsdom takes the forms of its own window only",
  "send blobs": "the XMLHttpRequest of jsdom takes the blobs of its own window only",
} as const;

for (const version of axiosVersions) {
  const onNode = await loadAxios(version);
  for (const adapter of axiosAdapters) testAxios(`axios ${version} ${adapter}`, onNode, adapter);
  const inBundles = await loadForBrowsers(version);
  for (const adapter of ["xhr", "fetch"] as const)
    testAxios(`axios ${version} ${adapter}, for browsers`, inBundles, adapter);
}

function testAxios(name: string, { axios, iamAxios }: Loaded, adapter: (typeof axiosAdapters)[number]): void {
  testAdapter({
    name,
    core: { createTokenManager, apiKeyGrant, isIamError },
    cannot: adapter === "http" ? {} : adapter === "fetch" ? fetchCannot : xhrCannot,
    createClient(settings) {
      const client = axios.create({ adapter, responseType: "text", transformResponse: [(text) => text] });
      iamAxios(client, settings);
      return {
        async send({ body, ...request }) {
          // The http adapter takes the streams of Node.
          const stream = adapter === "http" && body instanceof ReadableStream ? Readable.from(body) : body;
          // Of bytes that are a part of a buffer axios sends the whole buffer.
          const data = stream instanceof Uint8Array ? stream.slice() : stream;
          try {
            const response = await client.request<string, AxiosResponse<string>, unknown>({
              ...request,
              data,
            });
            return { status: response.status, text: response.data, response };
          } catch (error) {
            const { response } = error as { response?: AxiosResponse };
            if (response === undefined) throw error;
            return { status: response.status, text: response.data, response: error };
          }
        },
      };
    },
  });
}
