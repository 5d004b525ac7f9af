import { type Answer, jsonAnswer } from "./answer.ts";
import type { Profile } from "./directory.ts";
import { randomHex } from "./fingerprint.ts";
import { baseOrder, type Call, judge } from "./iam.ts";
import type { CrnIdentity } from "./identity.ts";
import { jsonObject, textMember } from "./json-body.ts";

/** How the metadata service of an instance behaves. */
export interface MetadataOptions {
  /** Whose: `vpc` wants a `version` with every request, `powervs` wants none. Default: `vpc`. */
  readonly style?: "vpc" | "powervs";
  /** The region in the identity token. Default: `us-south`. */
  readonly region?: string;
  /** Ids of the trusted profiles that the instance is linked to. Default: all. */
  readonly linkedProfileIds?: readonly string[];
  /** Id of the profile that a request without one gets; null for none. Default: the first linked one. */
  readonly defaultProfileId?: string | null;
}

/** The two generations of the service: paths of the first answer 404 from the second on, and the reverse. */
export type Generation = "instance_identity" | "identity";

const firstVersion = "2022-03-01";
const secondGeneration = "2025-08-26";

/** Gives the instance its identity token. */
export function instanceIdentity(generation: Generation): (call: Call) => Promise<Answer> {
  return answering(async (call) => {
    checkVersion(call, generation);
    checkFlavor(call);
    const body = bodyOf(call);
    const lifetimeS = body.expires_in ?? 300;
    if (typeof lifetimeS !== "number" || !Number.isInteger(lifetimeS) || lifetimeS < 5 || lifetimeS > 3600)
      throw new MetadataRefusal(
        400,
        "invalid_value",
        "expires_in must be from 5 to 3600.",
        field("expires_in"),
      );
    const { region = "us-south" } = call.iam.metadata;
    const instance = instanceOf(call);
    const iat = Math.floor(call.now / 1000);
    const claims = {
      iss: `VSI-CR_${region}`,
      aud: [`VSI-CR_${region}`, instance.id],
      sub: instance.identity.crn,
      iat,
      exp: iat + lifetimeS,
      iaas: {
        crn: instance.identity.crn,
        accountID: call.iam.accountId,
        instanceID: instance.id,
        zone: `${region}-1`,
        region,
        profile_name: "bx2-2x8",
        resource_group_id: randomHex(16),
      },
      ip_addresses: ["10.240.0.4"],
      nonce: typeof body.nonce === "string" ? body.nonce : undefined,
      subnets: [],
      vpc: {},
    };
    const order = { identity: instance.identity, claims, form: formOf(call), forResources: false };
    return tokenAnswer(call, await call.iam.tokens.issueForeign(order), lifetimeS);
  });
}

/** Exchanges an identity token for an IAM token of a trusted profile. */
export function instanceIamToken(generation: Generation): (call: Call) => Promise<Answer> {
  return answering(async (call) => {
    checkVersion(call, generation);
    if (call.iam.metadata.style === "powervs") checkFlavor(call);
    const [, token = ""] = /^bearer +(\S+)$/i.exec(call.headers.get("authorization") ?? "") ?? [];
    const verdict = await judge(call.iam, token);
    if (!verdict.active || verdict.claims.iaas === undefined)
      throw new MetadataRefusal(
        401,
        "unauthenticated",
        "The instance identity token is missing or not valid.",
      );
    const { identity } = requestedProfile(call);
    const base = baseOrder(call);
    const issued = await call.iam.tokens.issue({
      ...base,
      identity,
      authn: verdict.identity,
      grantType: "urn:ibm:params:oauth:grant-type:cr-token",
      clientId: "default",
      form: formOf(call),
    });
    call.granted();
    return tokenAnswer(call, issued.value, base.lifetimeS);
  });
}

/** What the service answers when it is in trouble, or has no such path. */
export function metadataTrouble(status: number, code = "service_error"): Answer {
  return refuse(new MetadataRefusal(status, code, `HTTP ${status}`));
}

class MetadataRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly target: Readonly<Record<string, string>> | undefined;

  constructor(status: number, code: string, message: string, target?: Readonly<Record<string, string>>) {
    super(message);
    this.status = status;
    this.code = code;
    this.target = target;
  }
}

function answering(answer: (call: Call) => Promise<Answer>): (call: Call) => Promise<Answer> {
  return async (call) => {
    try {
      return await answer(call);
    } catch (error) {
      if (!(error instanceof MetadataRefusal)) throw error;
      call.refused(error.code);
      return refuse(error);
    }
  };
}

function refuse({ status, code, message, target }: MetadataRefusal): Answer {
  const more_info = "https://cloud.ibm.com/docs/vpc?topic=vpc-imd-about";
  const errors = [{ code, message, more_info, ...(target ? { target } : {}) }];
  return jsonAnswer(status, { errors, status_code: status, trace: randomHex(16) });
}

function tokenAnswer(call: Call, access_token: string, expires_in: number): Answer {
  const moment = (epochMs: number) => new Date(epochMs).toISOString();
  const created_at = moment(call.now);
  const expires_at = moment(call.now + expires_in * 1000);
  return jsonAnswer(200, { access_token, created_at, expires_at, expires_in });
}

function checkVersion({ iam, fields }: Call, generation: Generation): void {
  if (iam.metadata.style === "powervs") return;
  const version = fields.get("version") ?? "";
  const target = { name: "version", type: "query", value: version };
  if (version === "") throw new MetadataRefusal(400, "missing_field", "The version is missing.", target);
  if (!/^\d{4}-\d\d-\d\d$/.test(version))
    throw new MetadataRefusal(400, "invalid_value", "The version must be a date, YYYY-MM-DD.", target);
  if (version < firstVersion)
    throw new MetadataRefusal(400, "invalid_value", `The version cannot be before ${firstVersion}.`, target);
  if ((version >= secondGeneration ? "identity" : "instance_identity") !== generation)
    throw new MetadataRefusal(404, "not_found", "There is no such resource in this version.");
}

function checkFlavor({ headers }: Call): void {
  const value = headers.get("metadata-flavor") ?? "";
  if (value.toLowerCase() === "ibm") return;
  const target = { name: "Metadata-Flavor", type: "header", value };
  throw new MetadataRefusal(400, "missing_value", "The header Metadata-Flavor must be ibm.", target);
}

function bodyOf({ body }: Call): Readonly<Record<string, unknown>> {
  if (body.length === 0) return {};
  const value = jsonObject(body.bytes);
  if (!value) throw new MetadataRefusal(400, "invalid_request", "The body is not a JSON object.");
  return value;
}

function requestedProfile(call: Call): Profile {
  const { directory, metadata } = call.iam;
  const linked = directory
    .profiles()
    .filter(({ identity }) => metadata.linkedProfileIds?.includes(identity.id) ?? true);
  const wanted = bodyOf(call).trusted_profile;
  const names = {
    id: textMember(wanted, "id"),
    crn: textMember(wanted, "crn"),
    name: textMember(wanted, "name"),
  };
  const [given, ...more] = Object.entries(names).filter(([, value]) => value !== undefined);
  if (more.length > 0 || (wanted !== undefined && !given))
    throw new MetadataRefusal(400, "invalid_request", "Name one trusted profile, by id or by crn.");
  const { defaultProfileId = linked[0]?.identity.id } = metadata;
  const by = given ? Object.fromEntries([given]) : { id: defaultProfileId ?? "" };
  const profile = directory.findProfile(by);
  if (profile && linked.includes(profile)) return profile;
  throw new MetadataRefusal(400, "profile_not_linked", "The instance is not linked to the trusted profile.", {
    name: given ? `trusted_profile.${given[0]}` : "trusted_profile",
    type: "field",
    value: given?.[1] ?? "",
  });
}

function field(name: string): Record<string, string> {
  return { name, type: "field", value: "" };
}

function formOf({ token }: Call): "jwt" | "opaque" | "undated" {
  return token === "same" ? "jwt" : token;
}

function instanceOf({ iam }: Call): { id: string; identity: CrnIdentity } {
  const { region = "us-south" } = iam.metadata;
  const id = "0717_e0e0e0e0-1111-4222-8333-emulator0001";
  const crn = `crn:v1:bluemix:public:is:${region}-1:a/${iam.accountId}::instance:${id}`;
  return { id, identity: { kind: "crn", crn } };
}
