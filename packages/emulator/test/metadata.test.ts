import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { createEmulator, defaultProfile, type MetadataOptions } from "../src/index.ts";
import { askResource, emulating, type Json, jsonOf } from "./emulating.ts";

const old = {
  version: "2022-03-01",
  identity: "/instance_identity/v1/token",
  exchange: "/instance_identity/v1/iam_token",
};
const current = {
  version: "2025-08-26",
  identity: "/identity/v1/token",
  exchange: "/identity/v1/iam_tokens",
};
const flavor = { "metadata-flavor": "ibm" };

async function instance(metadata: MetadataOptions = {}) {
  const emulator = await emulating({ metadata });
  const { url } = await emulator.listen({ service: "metadata" });
  const send = (method: string, path: string, body: unknown, headers: Record<string, string>) =>
    fetch(url + path, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  const identify = (
    body: unknown = {},
    query = `?version=${current.version}`,
    headers: Record<string, string> = flavor,
  ) => send("PUT", current.identity + query, body, headers);
  const identity = async () => String((await jsonOf(await identify())).access_token);
  const exchange = async (body: unknown, token?: string) =>
    send("POST", `${current.exchange}?version=${current.version}`, body, {
      authorization: `Bearer ${token ?? (await identity())}`,
    });
  return { emulator, url, send, identify, identity, exchange };
}

const errorOf = async (response: Response): Promise<Json> => {
  const { errors, status_code, trace } = await jsonOf(response);
  expect([status_code, typeof trace]).toEqual([response.status, "string"]);
  const [first]: unknown[] = Array.isArray(errors) ? errors : [];
  return typeof first === "object" && first !== null ? { ...first } : {};
};

interface Refused {
  body?: unknown;
  query?: string;
  headers?: Record<string, string>;
}

describe("the metadata service", () => {
  test.for([
    ["2022-03-01", old, current],
    ["2025-08-25", old, current],
    ["2025-08-26", current, old],
  ] as const)(
    "of version %s has its own paths, and 404 for the other generation's",
    async ([version, own, other]) => {
      const { emulator, send } = await instance();
      const query = `?version=${version}`;
      const first = await send("PUT", own.identity + query, { expires_in: 600 }, flavor);
      const identity = await jsonOf(first);
      expect(identity).toMatchObject({ expires_in: 600 });
      const bearer = { authorization: `Bearer ${identity.access_token}` };
      const second = await jsonOf(await send("POST", own.exchange + query, undefined, bearer));
      expect((await askResource(emulator.url, String(second.access_token))).status).toBe(200);
      expect(await errorOf(await send("PUT", other.identity + query, {}, flavor))).toMatchObject({
        code: "not_found",
      });
      expect((await send("POST", other.exchange + query, undefined, bearer)).status).toBe(404);
    },
  );

  test("gives an identity token with the claims of an instance, which no resource accepts", async () => {
    const { emulator, identify } = await instance({ region: "eu-de" });
    emulator.clock.freeze(Date.UTC(2030, 0, 1));
    const body = await jsonOf(await identify({ expires_in: 60, nonce: "n" }));
    expect(body).toEqual({
      access_token: expect.any(String),
      created_at: "2030-01-01T00:00:00.000Z",
      expires_at: "2030-01-01T00:01:00.000Z",
      expires_in: 60,
    });
    expect(decodeJwt(String(body.access_token))).toMatchObject({
      iss: "VSI-CR_eu-de",
      aud: ["VSI-CR_eu-de", expect.any(String)],
      exp: Date.UTC(2030, 0, 1) / 1000 + 60,
      iaas: { region: "eu-de", accountID: expect.any(String), crn: expect.stringMatching(/^crn:v1:/) },
      nonce: "n",
    });
    expect((await askResource(emulator.url, String(body.access_token))).status).toBe(401);
  });

  test("exchanges it for an IAM token of the profile that was named, or of the default one", async () => {
    const { exchange } = await instance();
    const { id } = defaultProfile;
    for (const body of [
      undefined,
      {},
      { trusted_profile: { id } },
      { trusted_profile: { name: defaultProfile.name } },
    ]) {
      const answer = await jsonOf(await exchange(body));
      expect(Object.keys(answer)).toEqual(["access_token", "created_at", "expires_at", "expires_in"]);
      const claims = decodeJwt(String(answer.access_token));
      expect(claims).toMatchObject({
        iam_id: `iam-${id}`,
        authn: { iam_id: expect.stringMatching(/^crn-crn:/) },
      });
    }
  });

  test.for<[string, Refused, number, string, string | undefined]>([
    ["expires_in below 5", { body: { expires_in: 4 } }, 400, "invalid_value", "expires_in"],
    ["expires_in above 3600", { body: { expires_in: 3601 } }, 400, "invalid_value", "expires_in"],
    ["expires_in that is no number", { body: { expires_in: "60" } }, 400, "invalid_value", "expires_in"],
    ["a body that is no JSON", { body: "{" }, 400, "invalid_request", undefined],
    ["no Metadata-Flavor", { headers: {} }, 400, "missing_value", "Metadata-Flavor"],
    [
      "another Metadata-Flavor",
      { headers: { "metadata-flavor": "other" } },
      400,
      "missing_value",
      "Metadata-Flavor",
    ],
    ["no version", { query: "" }, 400, "missing_field", "version"],
    ["a version that is no date", { query: "?version=1" }, 400, "invalid_value", "version"],
    ["a version too early", { query: "?version=2022-02-28" }, 400, "invalid_value", "version"],
  ])("refuses %s", async ([, request, status, code, name]) => {
    const { emulator, identify } = await instance();
    const response = await identify(request.body ?? {}, request.query, request.headers);
    expect(response.status).toBe(status);
    expect(await errorOf(response)).toMatchObject({ code, ...(name ? { target: { name } } : {}) });
    expect(emulator.log.at(-1)?.errorCode).toBe(code);
  });

  test("takes expires_in from 5 to 3600, and 300 when there is none", async () => {
    const { identify } = await instance();
    const lifetimes = [
      await identify({ expires_in: 5 }),
      await identify({ expires_in: 3600 }),
      await identify(undefined),
    ];
    expect(await Promise.all(lifetimes.map(async (each) => (await jsonOf(each)).expires_in))).toEqual([
      5, 3600, 300,
    ]);
  });

  test("refuses an identity token that is missing, expired or of another kind", async () => {
    const { emulator, exchange, identity } = await instance();
    const token = await identity();
    for (const bad of ["nonsense", (await emulator.issueToken()).value]) {
      const response = await exchange({}, bad);
      expect([response.status, (await errorOf(response)).code]).toEqual([401, "unauthenticated"]);
    }
    emulator.clock.advance(300_000);
    expect((await exchange({}, token)).status).toBe(401);
  });

  test("refuses a profile that the instance is not linked to, and a default that is not there", async () => {
    const closed = await instance({ linkedProfileIds: [] });
    for (const body of [undefined, { trusted_profile: { id: defaultProfile.id } }]) {
      const response = await closed.exchange(body);
      expect([response.status, (await errorOf(response)).code]).toEqual([400, "profile_not_linked"]);
    }
    const without = await instance({ defaultProfileId: null });
    expect((await without.exchange(undefined)).status).toBe(400);
    expect((await without.exchange({ trusted_profile: { id: defaultProfile.id } })).status).toBe(200);
    const both = { trusted_profile: { id: defaultProfile.id, crn: "crn:x" } };
    expect((await errorOf(await without.exchange(both))).code).toBe("invalid_request");
  });

  test("of Power VS wants no version but the flavor on both calls", async () => {
    const { send } = await instance({ style: "powervs" });
    const { access_token } = await jsonOf(await send("PUT", old.identity, {}, flavor));
    const bearer = { authorization: `Bearer ${access_token}` };
    expect((await send("POST", old.exchange, {}, { ...bearer, ...flavor })).status).toBe(200);
    expect((await errorOf(await send("POST", old.exchange, {}, bearer))).code).toBe("missing_value");
  });

  test("is counted leg by leg, and has faults of its own", async () => {
    const { emulator, identify, exchange, identity } = await instance();
    const token = await identity();
    await exchange({}, token);
    expect(emulator.counters).toMatchObject({ metadataIdentityRequests: 1, tokenRequests: 1, grants: 1 });
    emulator.fault({ kind: "status", status: 503 }, { target: "metadata-identity" });
    expect((await errorOf(await identify())).code).toBe("service_error");
    emulator.fault({ kind: "no-token" }, { target: "metadata-token" });
    expect(await jsonOf(await exchange({}, token))).not.toHaveProperty("access_token");
  });

  test("answers nothing of IAM, nor IAM anything of it", async () => {
    const { emulator, url } = await instance();
    expect((await fetch(`${url}/identity/keys`)).status).toBe(404);
    const at = `${current.identity}?version=${current.version}`;
    expect((await fetch(emulator.url + at, { method: "PUT", headers: flavor })).status).toBe(404);
  });

  test("has a fetch handler of its own", async () => {
    const url = `http://169.254.169.254${current.identity}?version=${current.version}`;
    const response = await createEmulator().metadataFetch(url, { method: "PUT", headers: flavor });
    expect(await jsonOf(response)).toMatchObject({ expires_in: 300 });
  });
});
