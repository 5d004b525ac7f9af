import { IamError } from "@iam/core";

/**
 * The credentials of a service in `VCAP_SERVICES`: of the instance with that name, else of the first instance under that key.
 * Pure. Undefined: there is none.
 *
 * Errors: `ERR_IAM_CONFIG` for what is not JSON, or not of that shape; without its text, which holds credentials.
 * Source: https://docs.cloudfoundry.org/devguide/deploy-apps/environment-variable.html#VCAP-SERVICES
 */
export function vcapCredentials(
  text: string,
  service: string,
): Readonly<Record<string, unknown>> | undefined {
  const services = Object.entries(objectIn(text)).map(([key, instances]) => ({
    key,
    instances: listOf(instances),
  }));
  const named = services.flatMap(({ instances }) => instances).find(({ name }) => name === service);
  const instance = named ?? services.find(({ key }) => key === service)?.instances[0];
  const { credentials } = instance ?? {};
  return isObject(credentials) ? credentials : undefined;
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Its message would quote the text.
  }
  if (isObject(value)) return value;
  throw new IamError(
    "ERR_IAM_CONFIG",
    "VCAP_SERVICES is set, but is not a JSON object. Correct or unset it.",
  );
}

function listOf(instances: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(instances) ? instances.filter(isObject) : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
