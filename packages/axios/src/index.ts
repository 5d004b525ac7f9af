export {
  type IamAxiosHandle,
  type IamAxiosOptions,
  type IamAxiosRequestOptions,
  iamAxios,
} from "./iam-axios.ts";
