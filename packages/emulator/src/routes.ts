import { passcodeEndpoint, profilesEndpoint } from "./account-services.ts";
import type { Answer } from "./answer.ts";
import type { FaultTarget } from "./faults.ts";
import type { Call } from "./iam.ts";
import { type Generation, instanceIamToken, instanceIdentity, metadataTrouble } from "./metadata.ts";
import { chatEndpoint, modelsEndpoint } from "./openai.ts";
import { discoveryEndpoint, introspectEndpoint, keysEndpoint, userinfoEndpoint } from "./published.ts";
import { resourceEndpoint, resourceTrouble } from "./resource.ts";
import { cloudPakEndpoint, consoleEndpoint, saasTrouble } from "./saas.ts";
import { tokenEndpoint } from "./token-endpoint.ts";

/** An endpoint of the emulator. */
export interface Route {
  readonly target: Exclude<FaultTarget, "any">;
  /** The method that it takes; GET stands for HEAD too. Undefined: any. */
  readonly method?: "GET" | "POST" | "PUT";
  /** How IAM's error bodies name it. */
  readonly requestType: string;
  readonly answer: (call: Call) => Promise<Answer>;
  /** What a server in trouble answers here, and to a wrong method. Default: an IAM error body. */
  readonly trouble?: (status: number) => Answer;
}

/** Which server is asked: IAM and everything beside it, or the metadata service of an instance. */
export type Service = "iam" | "metadata";

const scopedConsole = "/api/2.0/(accounts|subscriptions|services)/[^/]+/apikeys/token";

const iam: readonly [path: RegExp, route: Route][] = [
  at("/identity/token", "token", "POST", "Identity_Token", tokenEndpoint),
  at("/identity/keys", "keys", "GET", "Identity_Keys", keysEndpoint),
  at(
    "/identity/.well-known/openid-configuration",
    "discovery",
    "GET",
    "Identity_Configuration",
    discoveryEndpoint,
  ),
  at("/identity/introspect", "introspect", "POST", "Identity_Introspect", introspectEndpoint),
  at("/identity/userinfo", "userinfo", "GET", "Identity_Userinfo", userinfoEndpoint),
  at("/identity/passcode", "passcode", "POST", "Identity_Passcode", passcodeEndpoint),
  at("/identity/profiles", "profiles", "POST", "Identity_Profiles", profilesEndpoint),
  at("/resource(/[^]*)?", "resource", undefined, "Resource", resourceEndpoint, resourceTrouble),
  at("/openai/v1/models", "openai", "GET", "Models", modelsEndpoint, resourceTrouble),
  at("/openai/v1/chat/completions", "openai", "POST", "Chat_Completions", chatEndpoint, resourceTrouble),
  at("/siusermgr/api/1.0/apikeys/token", "mcsp", "POST", "Mcsp", consoleEndpoint("v1"), saasTrouble),
  at("/api/2.0/apikeys/token", "mcsp", "POST", "Mcsp", consoleEndpoint("aws"), saasTrouble),
  at(scopedConsole, "mcsp", "POST", "Mcsp", consoleEndpoint("v2"), saasTrouble),
  at("(/icp4d-api)?/v1/authorize", "cp4d", "POST", "Cp4d", cloudPakEndpoint, saasTrouble),
];

const metadata: readonly [path: RegExp, route: Route][] = [
  identity("/instance_identity/v1/token", "instance_identity"),
  identity("/identity/v1/token", "identity"),
  exchange("/instance_identity/v1/iam_token", "instance_identity"),
  exchange("/identity/v1/iam_tokens", "identity"),
];

/** The endpoint at a path of a service, if there is one. */
export function findRoute(service: Service, path: string): Route | undefined {
  const routes = service === "iam" ? iam : metadata;
  return routes.find(([pattern]) => pattern.test(path))?.[1];
}

function at(
  path: string,
  target: Route["target"],
  method: Route["method"] | undefined,
  name: string,
  answer: Route["answer"],
  trouble?: Route["trouble"],
): [RegExp, Route] {
  const requestType = `incoming.${name}`;
  const route = {
    target,
    requestType,
    answer,
    ...(method ? { method } : {}),
    ...(trouble ? { trouble } : {}),
  };
  return [new RegExp(`^${path.replaceAll(".", "\\.")}$`), route];
}

function identity(path: string, generation: Generation): [RegExp, Route] {
  return at(
    path,
    "metadata-identity",
    "PUT",
    "Instance_Identity",
    instanceIdentity(generation),
    metadataTrouble,
  );
}

function exchange(path: string, generation: Generation): [RegExp, Route] {
  return at(path, "metadata-token", "POST", "Instance_Token", instanceIamToken(generation), metadataTrouble);
}
