import { createVerifier } from "@iam/verify";
import { expect } from "../scene.mjs";

const verifierOf = (scene, options) => createVerifier({ jwksUrl: `${scene.iam}/identity/keys`, ...options });

export const checks = {
  async "good token"(scene) {
    const { accessToken } = await scene.createManager().getToken();
    const claims = await verifierOf(scene).verify(accessToken);
    expect(claims.iam_id.length > 0, "whose it is");
  },
  async "forged token"(scene) {
    const { accessToken } = await scene.createManager().getToken();
    const [header, payload, signature] = accessToken.split(".");
    const other = signature.startsWith("A") ? "B" : "A";
    const forged = [header, payload, other + signature.slice(1)];
    const error = await verifierOf(scene)
      .verify(forged.join("."))
      .catch((thrown) => thrown);
    expect(error.code === "ERR_IAM_BEARER" && error.reason === "signature", "a refusal for its signature");
  },
  async "keys imported"(scene) {
    const first = verifierOf(scene);
    const { accessToken } = await scene.createManager().getToken();
    await first.verify(accessToken);
    const keys = await first.exportKeys();
    const fetch = () => Promise.reject(new Error("no request was needed"));
    await verifierOf(scene, { keys, fetch }).verify(accessToken);
  },
};
