/**
 * The scripts, each one round trip on one key. Redis runs them as a whole, so that what is compared is still so when it is
 * changed, and its own clock is read where an entry ends.
 */

const now = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) ";

/** KEYS: entry. Gives the entry or null, what is left of its life (PTTL), and the server's clock, in milliseconds. */
export const getScript: string = `${now}return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1]), now}`;

/**
 * KEYS: entry. ARGV: the new entry, milliseconds to live, when it has to be over by the server's clock, and what may be there:
 * `any`, `none`, or `=` with an entry. Gives 1 when it was written.
 *
 * The third keeps a command harmless that a client kept in its queue while it was disconnected.
 */
export const setScript: string = `${now}local ttl = math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - now)
if ttl < 1 then return 0 end
local there = redis.call('GET', KEYS[1])
if there and ARGV[4] ~= 'any' and ARGV[4] ~= '=' .. there then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%d', ttl))
return 1`;

/** KEYS: entry or lock. ARGV: what must be there to be deleted. */
export const deleteScript =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/** KEYS: lock. ARGV: owner, milliseconds. Gives whoever holds it: the owner given when it was free. */
export const lockScript =
  "if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return ARGV[1] end return redis.call('GET', KEYS[1])";
