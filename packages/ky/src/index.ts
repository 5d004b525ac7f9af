export { type IamKyOptions, iamKy } from "./iam-ky.ts";
