import { describe, expect, test } from "vitest";
import {
  apiKeyGrant,
  assumeGrant,
  createTokenManager,
  type Grant,
  iamAuthzGrant,
  passcodeGrant,
  staticTokenGrant,
  vpcInstanceGrant,
} from "../src/index.ts";
import { type Answer, failing, failureOf, hanging, ok, type World, world } from "./virtual-world.ts";

const hour = 3_600_000;
const profileId = "Profile-1";
const assuming = (source: Grant = apiKeyGrant("key")) => assumeGrant(source, { profileId });
const refused = (errorCode: string) => failing(400, { body: { errorCode } });

/**
 * An endpoint that gives source tokens `s1`, `s2`, … of an hour, and profile tokens that live no longer than the source
 * token they are made of.
 */
function iam(here: World, options: { sourceS?: number; refuse?: ReadonlySet<string> } = {}): void {
  const { sourceS = 3600, refuse } = options;
  const issued = new Map<string, number>();
  here.endpoint.otherwise = ({ body }) => {
    const form = new URLSearchParams(body);
    const source = form.get("access_token");
    const nowS = here.clock.wallNow() / 1000;
    if (source === null) {
      const access_token = `s${issued.size + 1}`;
      issued.set(access_token, nowS + sourceS);
      return ok({ access_token, expires_in: sourceS });
    }
    if (refuse?.has(source)) return (refused("BXNIM0407E") as () => ReturnType<typeof ok>)();
    const leftS = Math.floor((issued.get(source) ?? 0) - nowS);
    return leftS > 0
      ? ok({ access_token: `p-${source}-${issued.size}-${leftS}`, expires_in: leftS })
      : ok({ expires_in: 0 });
  };
}

/** What was sent, in short: `key`, or the source token. */
function sent({ endpoint }: World): string[] {
  return endpoint.requests.map(({ body }) => {
    const form = new URLSearchParams(body);
    return form.get("access_token") ?? form.get("apikey") ?? form.get("passcode") ?? "";
  });
}

describe("a trusted profile", () => {
  test("is assumed with a token of the other grant, by one exchange of each for any number of callers", async () => {
    const here = world({ grant: assuming() });
    iam(here);
    const tokens = await Promise.all(Array.from({ length: 100 }, () => here.manager.getToken()));
    expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(sent(here)).toEqual(["key", "s1"]);
  });

  test("sends client authentication, scope and account with the first request only", async () => {
    const source = apiKeyGrant("key", { clientId: "c", clientSecret: "s", scope: "x", account: "a" });
    const here = world({ grant: assuming(source) });
    iam(here);
    await here.manager.getToken();
    const [first, second] = here.endpoint.requests;
    expect(first?.headers.authorization).toBe(`Basic ${btoa("c:s")}`);
    expect(new URLSearchParams(first?.body).get("scope")).toBe("x");
    expect(second?.headers).not.toHaveProperty("authorization");
    expect([...new URLSearchParams(second?.body).keys()]).toEqual([
      "grant_type",
      "access_token",
      "profile_id",
    ]);
  });

  test("lives as long as the server says, which is what is left of the source token", async () => {
    const here = world({ grant: assuming() });
    here.endpoint.script.push(
      () => ok({ access_token: "s1" }),
      () => ok({ access_token: "p1", expires_in: 90 }),
    );
    const { expiresAt, obtainedAt } = await here.manager.getToken();
    expect((expiresAt ?? 0) - obtainedAt).toBe(90_000);
  });

  test("is never assumed with a token that has less than half its life left, so that it lives half an hour at least", async () => {
    const here = world({ grant: assuming(), random: () => 0.99 });
    iam(here);
    const lives: number[] = [];
    const seen = new Set<string>();
    for (let minute = 0; minute < 6 * 60; minute++) {
      const token = await here.manager.getToken();
      if (!seen.has(token.accessToken)) lives.push(((token.expiresAt ?? 0) - token.obtainedAt) / 1000);
      seen.add(token.accessToken);
      await here.clock.advance(60_000);
    }
    expect(Math.min(...lives)).toBeGreaterThanOrEqual(1800);
    expect(here.endpoint.requests.length).toBeLessThanOrEqual(2 * 9);
  });

  test("is assumed with what is left of the held token when no other is to be had", async () => {
    const source = apiKeyGrant("key");
    const here = world({ grant: assuming(source), random: () => 0.99 });
    iam(here);
    await here.manager.getToken();
    await here.clock.advance(0.9 * hour);
    const answer = here.endpoint.otherwise;
    here.endpoint.otherwise = (request, options) =>
      new URLSearchParams(request.body).has("apikey")
        ? failing(503)(request, options)
        : answer(request, options);
    // The profile's token is served while its exchange runs beside.
    await here.manager.getToken();
    await here.clock.advance(0);
    expect((await here.manager.getToken()).accessToken).toMatch(/^p-s1-1-360$/);
  });

  test.for(["BXNIM0401E", "BXNIM0405E", "BXNIM0407E", "BXNIM0408E"])(
    "is assumed with another source token when IAM refuses the held one with %s",
    async (code) => {
      const here = world({ grant: assuming() });
      iam(here);
      const rejected = await here.manager.getToken();
      // The source token is revoked; the resource rejects the profile's token.
      const answer = here.endpoint.otherwise;
      here.endpoint.otherwise = (request, options) =>
        new URLSearchParams(request.body).get("access_token") === "s1"
          ? refused(code)(request, options)
          : answer(request, options);
      const token = await here.manager.getToken({ rejected, origin: "https://api.example.com" });
      expect(token.accessToken).toMatch(/^p-s2/);
      expect(sent(here)).toEqual(["key", "s1", "s1", "key", "s2"]);
    },
  );

  test("is not tried a third time when IAM refuses that one too", async () => {
    const here = world({ grant: assuming() });
    iam(here, { refuse: new Set(["s1", "s2", "s3"]) });
    const error = await failureOf(here.manager.getToken());
    expect(error).toMatchObject({ errorCode: "BXNIM0407E" });
    expect(sent(here)).toEqual(["key", "s1", "key", "s2"]);
  });

  test("is not tried again with a source token that cannot be replaced", async () => {
    const here = world({ grant: assuming(staticTokenGrant("fixed-token")) });
    here.endpoint.otherwise = refused("BXNIM0407E");
    expect(await failureOf(here.manager.getToken())).toMatchObject({ errorCode: "BXNIM0407E" });
    expect(sent(here)).toEqual(["fixed-token"]);
  });

  test("that does not trust the identity says so, and costs no other source token", async () => {
    const here = world({ grant: assuming() });
    iam(here);
    const answer = here.endpoint.otherwise;
    here.endpoint.script.push(answer, refused("BXNIM0398E"));
    const error = await failureOf(here.manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED", errorCode: "BXNIM0398E" });
    expect(error.message).toMatch(
      /HTTP 400, BXNIM0398E: the trusted profile does not exist or does not trust this identity; check its name and its trust at https:/,
    );
    await here.clock.advance(30_000);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["key", "s1", "s1"]);
  });

  test("fails with the error of the first leg when that has no token", async () => {
    const here = world({ grant: assuming() });
    here.endpoint.otherwise = refused("BXNIM0415E");
    const error = await failureOf(here.manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED", errorCode: "BXNIM0415E" });
    expect(error.message).toMatch(/the API key was not found/);
    await here.clock.advance(5000);
    await failureOf(here.manager.getToken());
    expect(sent(here)).toEqual(["key"]);
  });

  test("sees a rotated key of its first leg within a second of a refusal", async () => {
    let key = "old";
    const here = world({ grant: assuming(apiKeyGrant(() => key)) });
    iam(here);
    here.endpoint.script.push(refused("BXNIM0415E"));
    await failureOf(here.manager.getToken());
    key = "new";
    await here.clock.advance(1000);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["old", "new", "s1"]);
  });

  test("asks a person for one passcode, not for another one after a refusal", async () => {
    let asked = 0;
    const here = world({ grant: assuming(passcodeGrant(() => `code-${++asked}`)) });
    here.endpoint.otherwise = failing(401, { body: { errorCode: "BXNIM0602E" } });
    await failureOf(here.manager.getToken());
    expect(asked).toBe(1);
  });

  test("is not asked for while the first leg hangs, and the error says which server is silent", async () => {
    const here = world({ grant: assuming() });
    here.endpoint.otherwise = hanging;
    const failure = failureOf(here.manager.getToken());
    await here.clock.advance(9000);
    expect((await failure).message).toMatch(
      /No answer from the token endpoint https:\/\/iam\.cloud\.ibm\.com/,
    );
    expect(here.endpoint.maxInFlight).toBe(1);
  });

  test("over an instance asks the metadata service in the clear, and IAM for the profile", async () => {
    const here = world({ grant: assuming(vpcInstanceGrant()) });
    const urls: string[] = [];
    const answer: Answer = ({ url }) => {
      urls.push(url.split("?")[0] ?? "");
      return ok({ access_token: `t${urls.length}` });
    };
    here.endpoint.otherwise = answer;
    await here.manager.getToken();
    expect(urls).toEqual([
      "http://169.254.169.254/instance_identity/v1/token",
      "http://169.254.169.254/instance_identity/v1/iam_token",
      "https://iam.cloud.ibm.com/identity/token",
    ]);
    expect(sent(here).at(-1)).toBe("t2");
  });

  test("ends with its manager, the one of the first leg too", async () => {
    const here = world({ grant: assuming() });
    iam(here);
    here.endpoint.script.push(hanging);
    const failure = failureOf(here.manager.getToken());
    await here.clock.advance(0);
    await here.manager[Symbol.asyncDispose]();
    expect((await failure).message).toMatch(/disposed/);
    expect(here.clock.pending).toHaveLength(0);
  });
});

test("service to service says where a missing policy is made", async () => {
  const grant = iamAuthzGrant(apiKeyGrant("key"), { desiredIamId: "crn-crn:v1:a" });
  const here = world({ grant });
  here.endpoint.script.push(
    () => ok({ access_token: "s1" }),
    failing(403, { body: { errorCode: "BXNIM0513E" } }),
  );
  const error = await failureOf(here.manager.getToken());
  expect(error.message).toMatch(/authorization policy between the two services\? See https:\S+\.$/);
  expect(createTokenManager({ grant }).peek()).toBeUndefined();
});
