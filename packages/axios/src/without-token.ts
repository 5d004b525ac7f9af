import type { InternalAxiosRequestConfig } from "axios";
import { type Bag, forgetRequests, summaryOf } from "./http-adapter.ts";

/**
 * Makes fit to be seen what an adapter has given or thrown, and its causes: with the caller's own config, and a request that
 * tells where it went and nothing else.
 */
export function withoutToken(value: unknown, config: InternalAxiosRequestConfig, depth = 0): void {
  if (value !== Object(value) || depth > 4) return;
  const holder = value as Bag;
  forgetRequests(holder, config);
  // Not by assignment, which throws when it is frozen.
  if (holder.config) Reflect.set(holder, "config", config);
  if (holder.request) Reflect.set(holder, "request", summaryOf(holder.request as Bag));
  // An event of an XMLHttpRequest has it as its target.
  if (holder.event) Reflect.set(holder, "event", null);
  withoutToken(holder.response, config, depth + 1);
  withoutToken(holder.cause, config, depth + 1);
}
