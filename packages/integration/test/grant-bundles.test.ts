import * as core from "@iam/core";
import { build } from "esbuild";
import { expect, test } from "vitest";

/** A text that only the code of a grant has. */
const markers: Record<string, string> = {
  apiKeyGrant: "grant-type:apikey",
  assumeGrant: "grant-type:assume",
  cloudPakForDataGrant: "/v1/authorize",
  crTokenGrant: "grant-type:cr-token",
  delegatedRefreshTokenGrant: "grant-type:delegated-refresh-token",
  delegatingGrant: "receiver_client_ids",
  iamAuthzGrant: "grant-type:iam-authz",
  mcspGrant: "siusermgr",
  passcodeGrant: "grant-type:passcode",
  passwordGrant: "ims_account",
  refreshTokenGrant: "the refresh token has expired",
  staticTokenGrant: "there is no token",
  vpcInstanceGrant: "metadata-flavor",
};

test("each grant of core has its marker", () => {
  expect(Object.keys(core).filter((name) => name.endsWith("Grant"))).toEqual(Object.keys(markers).sort());
});

test.for(Object.keys(markers))("%s drags in no other grant", async (name) => {
  const text = await bundled(name);
  expect(Object.keys(markers).filter((each) => text.includes(markers[each] ?? ""))).toEqual([name]);
});

test("a manager of an API key holds no code and no words of other grants", async () => {
  const text = await bundled("apiKeyGrant, createTokenManager");
  const others =
    /grant-type:(?!apikey)|metadata|siusermgr|authorize|receiver|log in again|trusted|passcode|allowed addresses/;
  expect(others.exec(text)?.[0]).toBeUndefined();
});

/** What a bundler keeps of core for some of its exports. */
async function bundled(names: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `export { ${names} } from "@iam/core";`, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}
