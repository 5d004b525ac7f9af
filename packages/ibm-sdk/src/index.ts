export {
  type AuthenticateOptions,
  type IamAuthenticator,
  type IamAuthenticatorOptions,
  iamAuthenticator,
} from "./iam-authenticator.ts";
