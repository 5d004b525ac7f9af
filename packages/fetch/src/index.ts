export { type IamFetchOptions, iamFetch } from "./iam-fetch.ts";
