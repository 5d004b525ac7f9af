import type { Properties, PropertyName } from "./properties.ts";

/**
 * The user name and the password of HTTP Basic.
 *
 * Errors: `ERR_IAM_CONFIG` when one is missing, is in quotes or braces, or is a user name with a colon.
 * Source: RFC 7617 section 2.
 */
export function basicOf(properties: Properties): { username: string; password: () => string } {
  const username = read(properties, "USERNAME");
  const password = read(properties, "PASSWORD");
  if (username.includes(":")) throw properties.problem("USERNAME", "must not have a colon in it.");
  return { username, password: () => password };
}

function read(properties: Properties, property: PropertyName): string {
  const value = properties.required(property);
  if (!/^[{"]|[}"]$/.test(value)) return value;
  throw properties.problem(property, "must not begin or end with braces or quotes.");
}
