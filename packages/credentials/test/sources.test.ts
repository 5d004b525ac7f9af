import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  credentialsFromEnvironment,
  defaultGrant,
  serviceFromEnvironment,
  type TokenService,
} from "../src/index.ts";
import { askedWith } from "./asked.ts";
import { asNobody, directoryWith, surroundings, thrownBy } from "./places.ts";

vi.mock("node:os", { spy: true });

const fileName = "ibm-credentials.env";
const vcap = (services: unknown) => ({ VCAP_SERVICES: JSON.stringify(services) });
const cloudant = (apikey: string) => vcap({ any: [{ name: "cloudant", credentials: { apikey } }] });

/** The API key that is sent for the service `cloudant`. */
async function keyFrom(
  options: Parameters<typeof surroundings>[0],
  service: string | undefined = "cloudant",
) {
  const [asked] = await askedWith(credentialsFromEnvironment({ service, ...surroundings(options) }));
  return asked?.fields.apikey;
}

describe("the sources of a service's credentials", () => {
  const inFile = (key: string) => ({ [fileName]: `CLOUDANT_APIKEY=${key}` });

  test("are the file, else the environment, else VCAP_SERVICES", async () => {
    const env = { CLOUDANT_APIKEY: "environment", ...cloudant("vcap") };
    expect(await keyFrom({ cwd: directoryWith(inFile("file")), env })).toBe("file");
    expect(await keyFrom({ env })).toBe("environment");
    expect(await keyFrom({ env: cloudant("vcap") })).toBe("vcap");
  });

  test("name the file in IBM_CREDENTIALS_FILE first, then the one in the working directory, then the one at home", async () => {
    const named = join(directoryWith({ "keys.txt": "CLOUDANT_APIKEY=named" }), "keys.txt");
    const places = { cwd: directoryWith(inFile("here")), home: directoryWith(inFile("home")) };
    expect(await keyFrom({ ...places, env: { IBM_CREDENTIALS_FILE: named } })).toBe("named");
    expect(await keyFrom(places)).toBe("here");
    expect(await keyFrom({ home: places.home })).toBe("home");
  });

  test("take IBM_CREDENTIALS_FILE for a directory too, and relative to the working directory", async () => {
    const cwd = directoryWith({ [`secrets/${fileName}`]: "CLOUDANT_APIKEY=named" });
    const absolute = join(cwd, "secrets");
    expect(await keyFrom({ env: { IBM_CREDENTIALS_FILE: absolute } })).toBe("named");
    expect(await keyFrom({ cwd, env: { IBM_CREDENTIALS_FILE: "secrets" } })).toBe("named");
    expect(await keyFrom({ cwd, env: { IBM_CREDENTIALS_FILE: `secrets/${fileName}` } })).toBe("named");
  });

  test("follow a file that is a link", async () => {
    const [cwd, target] = [directoryWith(), directoryWith(inFile("linked"))];
    symlinkSync(join(target, fileName), join(cwd, fileName));
    expect(await keyFrom({ cwd })).toBe("linked");
  });

  /** A directory that nobody may look into, such as the home directory of root in a container that runs as another user. */
  function closedDirectory(): string {
    const directory = directoryWith(inFile("hidden"));
    chmodSync(directory, 0o000);
    onTestFinished(() => chmodSync(directory, 0o700));
    return directory;
  }

  test.for(["cwd", "home"])(
    "go on to the environment when this process may not look into the %s, and say so when nothing is there",
    (name) => {
      const closed = closedDirectory();
      const places = { [name]: closed };
      const read = (env: Record<string, string>): TokenService => {
        const options = { service: "cloudant", ...surroundings({ ...places, env }) };
        return asNobody(() => credentialsFromEnvironment(options));
      };
      expect(read({ CLOUDANT_APIKEY: "k" }).source).toBe("environment");
      const error = thrownBy(() => read({}));
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
      expect(error.message).toContain(`${join(closed, fileName)} (this process may not look there)`);
    },
  );

  test("go on to the environment when a file stands where the home directory should be", async () => {
    const home = join(directoryWith({ home: "" }), "home");
    expect(await keyFrom({ home, env: { CLOUDANT_APIKEY: "environment" } })).toBe("environment");
  });

  test("go on to the environment when the user has no home directory at all", () => {
    vi.mocked(homedir).mockImplementationOnce(() => {
      throw new Error("uv_os_homedir returned ENOENT");
    });
    const { env, cwd } = surroundings({ env: { CLOUDANT_APIKEY: "k" } });
    expect(credentialsFromEnvironment({ service: "cloudant", env, cwd }).source).toBe("environment");
  });

  test.for<[string, () => string, RegExp]>([
    [
      "where this process may not look",
      () => join(closedDirectory(), fileName),
      /may not be read by this process/,
    ],
    ["with a name that is too long", () => "n".repeat(5000), /cannot be read \(ENAMETOOLONG\)/],
    ["with a name that cannot be", () => "a\0b", /cannot be read/],
  ])("are not passed over when IBM_CREDENTIALS_FILE leads to a file %s", ([, make, words]) => {
    const env = { CLOUDANT_APIKEY: "k", IBM_CREDENTIALS_FILE: make() };
    const options = { service: "cloudant", ...surroundings({ env }) };
    const error = thrownBy(() => asNobody(() => credentialsFromEnvironment(options)));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).toMatch(words);
  });

  test("are never merged: a URL alone in the file hides the key in the environment, and the error says so", () => {
    const cwd = directoryWith({ [fileName]: "CLOUDANT_URL=https://cloudant.example.com" });
    const env = { CLOUDANT_APIKEY: "environment" };
    const error = thrownBy(() =>
      credentialsFromEnvironment({ service: "cloudant", ...surroundings({ cwd, env }) }),
    );
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).toBe(
      `Nothing says how to authenticate: set CLOUDANT_APIKEY, or CLOUDANT_AUTH_TYPE with what it needs, in the same source (${join(cwd, fileName)}). It has only CLOUDANT_URL.`,
    );
  });

  test("are never merged: a file in the working directory hides the one at home", async () => {
    const places = {
      cwd: directoryWith({ [fileName]: "OTHER_APIKEY=o" }),
      home: directoryWith(inFile("home")),
    };
    expect(await keyFrom({ ...places, env: { CLOUDANT_APIKEY: "environment" } })).toBe("environment");
  });

  test("do not count names that are not read: a stray variable hides nothing", async () => {
    const env = { CLOUDANT_PROXY: "http://proxy.example.com", CLOUDANT_TIMEOUT: "1", ...cloudant("vcap") };
    expect(await keyFrom({ env })).toBe("vcap");
  });

  test("that hold nothing are listed in the error, each with the names of files and variables, never values", () => {
    const { cwd, home } = surroundings();
    const env = {
      CLOUDANT_API_KEY: "canary",
      ...vcap({ other: [{ name: "o", credentials: { apikey: "canary" } }] }),
    };
    const error = thrownBy(() => credentialsFromEnvironment({ service: "cloudant", env, cwd, home }));
    expect(error.message).toBe(`There are no credentials for the service cloudant. Looked at:
- credentials file: none at ${cwd}/${fileName}, ${home}/${fileName}
- environment: CLOUDANT_API_KEY: no name that is read behind CLOUDANT_
- VCAP_SERVICES: no instance and no key of the name cloudant`);
  });

  test("tell which one was used", () => {
    const cwd = directoryWith({ [fileName]: "OTHER_APIKEY=o" });
    const env = { CLOUDANT_APIKEY: "k" };
    const { source, links } = credentialsFromEnvironment({
      service: "cloudant",
      ...surroundings({ cwd, env }),
    });
    expect(source).toBe("environment");
    expect(links).toEqual([
      {
        name: "credentials file",
        used: false,
        reason: `${cwd}/${fileName}: no variable begins with CLOUDANT_`,
      },
      { name: "environment", used: true, reason: "CLOUDANT_*" },
    ]);
  });

  test("are this process and its user unless others are given", () => {
    const env = { IBM_CREDENTIALS_FILE: directoryWith(inFile("k")) };
    expect(credentialsFromEnvironment({ service: "cloudant", env }).authType).toBe("iam");
    const error = thrownBy(() => credentialsFromEnvironment({ service: "no-such-service" }));
    expect(error.message).toContain(join(process.cwd(), fileName));
  });
});

describe("the prefix of a service", () => {
  test.for<[string, string]>([
    ["cloudant", "CLOUDANT_APIKEY"],
    ["my-service", "MY_SERVICE_APIKEY"],
    ["My_Service", "MY_SERVICE_APIKEY"],
    ["a-b-c", "A_B_C_APIKEY"],
    ["cloudant", "CLOUDANT_apikey"],
    ["cloudant", "CLOUDANT_IAM_APIKEY"],
  ])("of %s makes it read %s", async ([service, name]) => {
    expect(await keyFrom({ env: { [name]: "the-key" } }, service)).toBe("the-key");
  });

  test.for<[string, string]>([
    ["cloud", "CLOUDANT_APIKEY"],
    ["cloudant", "CLOUDANTAPIKEY"],
    ["cloudant", "cloudant_APIKEY"],
    ["cloudant", "MY_CLOUDANT_APIKEY"],
  ])("of %s does not make it read %s", ([service, name]) => {
    const read = () => credentialsFromEnvironment({ service, ...surroundings({ env: { [name]: "k" } }) });
    expect(thrownBy(read).message).toContain("There are no credentials");
  });
});

describe("VCAP_SERVICES", () => {
  test("gives the instance of that name, before the first one under that key", async () => {
    const services = {
      cloudant: [
        { name: "first", credentials: { apikey: "by-key" } },
        { name: "b", credentials: { apikey: "b" } },
      ],
      other: [
        { name: "a", credentials: { apikey: "a" } },
        { name: "cloudant", credentials: { apikey: "by-name" } },
      ],
    };
    expect(await keyFrom({ env: vcap(services) })).toBe("by-name");
    expect(await keyFrom({ env: vcap({ cloudant: services.cloudant }) })).toBe("by-key");
    expect(await keyFrom({ env: vcap(services) }, "b")).toBe("b");
  });

  test("compares names as they are written", () => {
    const read = () =>
      credentialsFromEnvironment({ service: "Cloudant", ...surroundings({ env: cloudant("k") }) });
    expect(thrownBy(read).message).toContain("no instance and no key of the name Cloudant");
  });

  test("gives the service's URL, and a user name and a password as basic", () => {
    const credentials = {
      url: "https://c.example.com/",
      username: "ada",
      password: "p",
      host: "c.example.com",
      port: 443,
    };
    const env = vcap({ cloudant: [{ credentials }] });
    const service = serviceFromEnvironment({ service: "cloudant", ...surroundings({ env }) });
    expect(service).toMatchObject({ authType: "basic", url: "https://c.example.com", username: "ada" });
    expect(service.source).toBe("VCAP_SERVICES");
  });

  test.for([
    ["https://ada:p%40ss@c.example.com/", "https://c.example.com"],
    ["https://ada@c.example.com/path@x", "https://c.example.com/path@x"],
    ["HTTPS://a:b@c:d@c.example.com", "HTTPS://c.example.com"],
    ["https://c.example.com/a@b?c@d", "https://c.example.com/a@b?c@d"],
  ])("gives the service's URL without a password in it: %s", ([url, shown]) => {
    const env = vcap({ cloudant: [{ credentials: { apikey: "k", url } }] });
    const service = serviceFromEnvironment({ service: "cloudant", ...surroundings({ env }) });
    expect(service.url).toBe(shown);
  });

  test("gives the service's URL without the slashes at its end, however many, and those before its end", () => {
    const slashes = "/".repeat(100_000);
    const env = vcap({
      cloudant: [{ credentials: { apikey: "k", url: `https://c.example.com${slashes}x${slashes}` } }],
    });
    const service = serviceFromEnvironment({ service: "cloudant", ...surroundings({ env }) });
    expect(service.url).toBe(`https://c.example.com${slashes}x`);
  });

  test("with an API key beside a user name gives the API key, because a token is better than a password", async () => {
    const credentials = { apikey: "the-key", username: "ada", password: "p" };
    expect(await keyFrom({ env: vcap({ cloudant: [{ credentials }] }) })).toBe("the-key");
  });

  test("does not read members of another spelling than that of the SDK for Node", () => {
    const credentials = { iam_apikey: "k", iam_url: "https://iam.example.com", IAM_APIKEY: "k", APIKEY: "k" };
    const env = vcap({ cloudant: [{ credentials }] });
    const read = () => credentialsFromEnvironment({ service: "cloudant", ...surroundings({ env }) });
    expect(thrownBy(read).message).toContain("cloudant has credentials without a member that is read here");
  });

  test.for(["canary", "[]", "null", '"canary"', '{"canary":'])(
    "that is not a JSON object is refused unquoted: %s",
    (text) => {
      const read = () =>
        credentialsFromEnvironment({
          service: "cloudant",
          ...surroundings({ env: { VCAP_SERVICES: text } }),
        });
      const error = thrownBy(read);
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
      expect(error.message).toBe("VCAP_SERVICES is set, but is not a JSON object. Correct or unset it.");
    },
  );

  test.for([
    {},
    { cloudant: [] },
    { cloudant: null },
    { cloudant: [{}] },
    { cloudant: [null, "x"] },
    { cloudant: [{ credentials: null }] },
    { cloudant: [{ credentials: "canary" }] },
  ])("of another shape has no credentials: %j", (services) => {
    const read = () =>
      credentialsFromEnvironment({ service: "cloudant", ...surroundings({ env: vcap(services) }) });
    expect(thrownBy(read).message).toContain("no instance and no key of the name cloudant");
  });
});

describe("without a service", () => {
  test.for([
    [{ IBMCLOUD_API_KEY: "i", IC_API_KEY: "c" }, "i"],
    [{ IC_API_KEY: "c" }, "c"],
    [{ IBMCLOUD_API_KEY: "", IC_API_KEY: "c" }, "c"],
    [{ IBMCLOUD_API_KEY: " i\n" }, "i"],
  ] as const)("the API key is in %j", async ([env, key]) => {
    const [asked] = await askedWith(credentialsFromEnvironment(surroundings({ env })));
    expect(asked).toMatchObject({ url: "https://iam.cloud.ibm.com/identity/token", fields: { apikey: key } });
  });

  test("the API key in the credentials file comes first", async () => {
    const cwd = directoryWith({ [fileName]: "export IC_API_KEY='file'" });
    const [asked] = await askedWith(
      credentialsFromEnvironment(surroundings({ cwd, env: { IBMCLOUD_API_KEY: "e" } })),
    );
    expect(asked?.fields.apikey).toBe("file");
  });

  test("IBMCLOUD_API_KEY_FILE names the file that the key is in, relative to the working directory", async () => {
    const cwd = directoryWith({ "keys/ibm": "the-key\n" });
    const env = { IBMCLOUD_API_KEY_FILE: "keys/ibm" };
    const [asked] = await askedWith(credentialsFromEnvironment(surroundings({ cwd, env })));
    expect(asked?.fields.apikey).toBe("the-key");
  });

  test("a named service does not get the key of everything: another identity than the one meant would act", () => {
    const env = { IBMCLOUD_API_KEY: "i" };
    const read = () => credentialsFromEnvironment({ service: "cloudant", ...surroundings({ env }) });
    const { message } = thrownBy(read);
    expect(message).toContain("There are no credentials for the service cloudant");
    expect(message).toContain(
      "no variable begins with CLOUDANT_; IBMCLOUD_API_KEY is set, and is not used for a service that is named",
    );
  });

  test.for([null, "cloudant"])(
    "options that are %j are refused: not every key is the one meant",
    (options) => {
      const readers = { credentialsFromEnvironment, defaultGrant, serviceFromEnvironment };
      for (const [name, read] of Object.entries(readers))
        expect(thrownBy(() => read(options as never))).toMatchObject({
          code: "ERR_IAM_CONFIG",
          message: `${name} takes an object of options, such as { service: "cloudant" }.`,
        });
    },
  );

  test("nothing at all is an error that names both variables", () => {
    const { cwd, home } = surroundings();
    expect(
      thrownBy(() => credentialsFromEnvironment({ env: {}, cwd, home })).message,
    ).toBe(`There are no credentials for IBM Cloud. Looked at:
- credentials file: none at ${cwd}/${fileName}, ${home}/${fileName}
- environment: IBMCLOUD_API_KEY and IC_API_KEY are not set`);
  });
});

describe("a credentials file that is there but cannot be read", () => {
  test("is named in the error, and not passed over", () => {
    const cwd = directoryWith();
    mkdirSync(join(cwd, fileName));
    const read = () => credentialsFromEnvironment(surroundings({ cwd, env: { IBMCLOUD_API_KEY: "k" } }));
    expect(thrownBy(read).message).toBe(
      `The credentials file ${join(cwd, fileName)} is a directory, not a file.`,
    );
  });
});
