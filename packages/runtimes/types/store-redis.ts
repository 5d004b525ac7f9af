import { apiKeyGrant, createTokenManager, sharedStore, type TokenStore } from "@iam/core";
import { redisStore } from "@iam/store-redis";
import { Redis } from "ioredis";
import { createClient } from "redis";

const ofNodeRedis: TokenStore = redisStore({ client: createClient() });
const ofIoredis: TokenStore = redisStore({ client: new Redis(), prefix: "tokens:" });
export const stores = [ofNodeRedis, ofIoredis];
createTokenManager({ grant: apiKeyGrant("key"), store: sharedStore(ofNodeRedis) });
// @ts-expect-error: a store is shared with rules of its own
createTokenManager({ grant: apiKeyGrant("key"), store: ofNodeRedis });
// @ts-expect-error: a client, not its address
redisStore({ client: "redis://127.0.0.1" });
