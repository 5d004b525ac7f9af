/** A person, who signs in as an IBMid. */
export interface UserIdentity {
  readonly kind: "user";
  /** Such as `IBMid-270000EMUL`. */
  readonly iamId: string;
  readonly email: string;
  readonly givenName: string;
  readonly familyName: string;
  /** The legacy classic-infrastructure id that IAM reports for users. */
  readonly imsUserId: number;
}

/** A service ID, the identity of an application. */
export interface ServiceIdIdentity {
  readonly kind: "serviceId";
  /** Such as `ServiceId-8f0c5d9e-…`. */
  readonly id: string;
  readonly name: string;
}

/** A trusted profile, which others assume. */
export interface ProfileIdentity {
  readonly kind: "profile";
  /** Such as `Profile-2c1a4f0e-…`. */
  readonly id: string;
  readonly name: string;
}

/** A cloud resource: a service, or a virtual server that is an identity by itself. */
export interface CrnIdentity {
  readonly kind: "crn";
  /** The cloud resource name, such as `crn:v1:…`. */
  readonly crn: string;
}

/** Who a token speaks for. */
export type Identity = UserIdentity | ServiceIdIdentity | ProfileIdentity | CrnIdentity;

/** The user that the emulator knows when it is told of none. */
export const defaultUser: UserIdentity = {
  kind: "user",
  iamId: "IBMid-270000EMUL",
  email: "ada@example.com",
  givenName: "Ada",
  familyName: "Byron",
  imsUserId: 1_234_567,
};

/** The service ID that the emulator knows when it is told of none. */
export const defaultServiceId: ServiceIdIdentity = {
  kind: "serviceId",
  id: "ServiceId-5e8bd0ab-0c5e-4c3e-9a4f-6f6d2f3c1b7a",
  name: "ci",
};

/** The account that everything belongs to. */
export const defaultAccountId = "0123456789abcdef0123456789abcdef";

/** The `iam_id` of an identity, which names it everywhere. */
export function iamIdOf(identity: Identity): string {
  if (identity.kind === "user") return identity.iamId;
  return identity.kind === "crn" ? `crn-${identity.crn}` : `iam-${identity.id}`;
}

/** The claims of an access token that say who it speaks for, in IAM's order. */
export function identityClaims(identity: Identity): Record<string, unknown> {
  const iamId = iamIdOf(identity);
  const realmid = iamId.slice(0, iamId.indexOf("-"));
  const identifier = iamId.slice(realmid.length + 1);
  return { iam_id: iamId, id: iamId, realmid, jti: crypto.randomUUID(), identifier, ...personal(identity) };
}

/** The `authn` claim: who has actually authenticated. */
export function authnClaim(identity: Identity): Record<string, unknown> {
  const { sub, sub_type, ...names } = personal(identity);
  return { sub, iam_id: iamIdOf(identity), ...(sub_type === undefined ? {} : { sub_type }), ...names };
}

function personal(identity: Identity): Record<string, unknown> {
  if (identity.kind === "crn") return { sub: identity.crn, sub_type: "CRN" };
  if (identity.kind !== "user") {
    const sub_type = identity.kind === "serviceId" ? "ServiceId" : "Profile";
    return { name: identity.name, sub: identity.id, sub_type };
  }
  const { givenName, familyName, email } = identity;
  const name = `${givenName} ${familyName}`;
  return { given_name: givenName, family_name: familyName, name, email, sub: email };
}
