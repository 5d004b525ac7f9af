export {
  type CosCallback,
  type CosToken,
  type CosTokenManager,
  type CosTokenManagerOptions,
  cosTokenManager,
} from "./cos-token-manager.ts";
export { type IamCosOptions, iamCos } from "./iam-cos.ts";
