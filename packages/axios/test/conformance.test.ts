import { Readable } from "node:stream";
import { testAdapter } from "@iam/conformance";
import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import type { AxiosResponse } from "axios";
import { axiosAdapters, axiosVersions, loadAxios } from "./axios-versions.ts";

const platformFollows = "the platform follows the redirect, and drops the token on the way to another origin";
const fetchCannot = { "token on redirect to a listed origin": platformFollows };
const xhrCannot = {
  ...fetchCannot,
  streams: "an XMLHttpRequest takes no stream",
  forms: "the XMLHttpRequest of jsdom takes the forms of its own window only",
  blobs: "the XMLHttpRequest of jsdom takes the blobs of its own window only",
};

for (const version of axiosVersions) {
  const { axios, iamAxios } = await loadAxios(version);
  for (const adapter of axiosAdapters) {
    testAdapter({
      name: `axios ${version} ${adapter}`,
      core: { createTokenManager, apiKeyGrant, isIamError },
      cannot: adapter === "http" ? {} : adapter === "fetch" ? fetchCannot : xhrCannot,
      createClient(settings) {
        const client = axios.create({ adapter, responseType: "text", transformResponse: [(text) => text] });
        iamAxios(client, settings);
        return {
          async send({ body, ...request }) {
            // The http adapter takes the streams of Node.
            const data = adapter === "http" && body instanceof ReadableStream ? Readable.from(body) : body;
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
}
