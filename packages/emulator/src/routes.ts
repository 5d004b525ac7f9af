import type { Answer } from "./answer.ts";
import type { FaultTarget } from "./faults.ts";
import type { Call } from "./iam.ts";
import { chatEndpoint, modelsEndpoint } from "./openai.ts";
import { discoveryEndpoint, introspectEndpoint, keysEndpoint, userinfoEndpoint } from "./published.ts";
import { resourceEndpoint } from "./resource.ts";
import { tokenEndpoint } from "./token-endpoint.ts";

/** An endpoint of the emulator. */
export interface Route {
  readonly target: Exclude<FaultTarget, "any">;
  /** The method that it takes; GET stands for HEAD too. Undefined: any. */
  readonly method?: "GET" | "POST";
  /** How IAM's error bodies name it. */
  readonly requestType: string;
  readonly answer: (call: Call) => Promise<Answer>;
}

const resource: Route = { target: "resource", requestType: "incoming.Resource", answer: resourceEndpoint };

const routes: Readonly<Record<string, Route>> = {
  "/identity/token": {
    target: "token",
    method: "POST",
    requestType: "incoming.Identity_Token",
    answer: tokenEndpoint,
  },
  "/identity/keys": {
    target: "keys",
    method: "GET",
    requestType: "incoming.Identity_Keys",
    answer: keysEndpoint,
  },
  "/identity/.well-known/openid-configuration": {
    target: "discovery",
    method: "GET",
    requestType: "incoming.Identity_Configuration",
    answer: discoveryEndpoint,
  },
  "/identity/introspect": {
    target: "introspect",
    method: "POST",
    requestType: "incoming.Identity_Introspect",
    answer: introspectEndpoint,
  },
  "/identity/userinfo": {
    target: "userinfo",
    method: "GET",
    requestType: "incoming.Identity_Userinfo",
    answer: userinfoEndpoint,
  },
  "/resource": resource,
  "/openai/v1/models": {
    target: "openai",
    method: "GET",
    requestType: "incoming.Models",
    answer: modelsEndpoint,
  },
  "/openai/v1/chat/completions": {
    target: "openai",
    method: "POST",
    requestType: "incoming.Chat_Completions",
    answer: chatEndpoint,
  },
};

/** The endpoint at a path, if there is one. */
export function findRoute(path: string): Route | undefined {
  if (path.startsWith("/resource/")) return resource;
  return Object.hasOwn(routes, path) ? routes[path] : undefined;
}
