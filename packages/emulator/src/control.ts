import { type Answer, type Incoming, jsonAnswer } from "./answer.ts";
import type { Emulator } from "./emulator.ts";
import { EmulatorError } from "./emulator-error.ts";
import { type Fault, type FaultOptions, type FaultTarget, faultTargets } from "./faults.ts";
import { jsonObject } from "./json-body.ts";

const prefix = "/_emulator/";

/** Whether a path belongs to the control of the emulator. */
export function isControlPath(path: string): boolean {
  return path.startsWith(prefix);
}

/**
 * Answers a control request, which does over HTTP what the methods of the emulator do.
 *
 * Errors: 400 with `{ error }` for a command that makes no sense, 403 under a name that is not this machine's unless others may
 * ask, 404, 405, and 415 unless the body is JSON (which no web page can send here by a plain form).
 */
export async function answerControl(emulator: Emulator, incoming: Incoming): Promise<Answer> {
  if (incoming.isForeign)
    return fail(403, "Ask for localhost or 127.0.0.1, or start with allowRemote (--allow-remote).");
  const name = incoming.url.pathname.slice(prefix.length);
  if (!Object.hasOwn(commands, name)) return fail(404, `There is no ${prefix}${name}.`);
  const isRead = incoming.method === "GET";
  const { read, write, takes = {} } = commands[name] ?? {};
  if (isRead ? !read : !write || incoming.method !== "POST") return fail(405, "Wrong method.");
  try {
    if (isRead) return jsonAnswer(200, read?.(emulator));
    const type = incoming.headers.get("content-type") ?? "";
    if (!/^application\/json *(;|$)/i.test(type)) return fail(415, "Send application/json.");
    const input = await inputOf(incoming, takes);
    return jsonAnswer(200, (await write?.(emulator, input)) ?? { ok: true });
  } catch (error) {
    if (error instanceof EmulatorError || error instanceof RangeError) return fail(400, error.message);
    throw error;
  }
}

type Input = Readonly<Record<string, unknown>>;

interface Command {
  /** The members of its input, and what each may be: a type as `typeof` names it. Default: none. */
  readonly takes?: Readonly<Record<string, readonly string[]>>;
  readonly read?: (emulator: Emulator) => unknown;
  readonly write?: (emulator: Emulator, input: Input) => unknown;
}

const commands: Readonly<Record<string, Command>> = {
  state: {
    read: ({ log, counters, clock, settings }) => ({ now: clock.now(), settings, counters, log }),
  },
  reset: { write: (emulator) => emulator.reset() },
  settings: {
    takes: { expiresInS: ["number"], accountValid: ["boolean"] },
    read: ({ settings }) => settings,
    write(emulator, input) {
      const { expiresInS, accountValid } = input;
      if (typeof expiresInS === "number") emulator.configure({ expiresInS });
      if (typeof accountValid === "boolean") emulator.configure({ accountValid });
      return emulator.settings;
    },
  },
  faults: {
    takes: {
      fault: ["object"],
      times: ["number", "string"],
      target: ["string"],
      path: ["string"],
      clear: ["boolean", "string"],
    },
    write(emulator, { fault, clear, ...options }) {
      if (clear === undefined) emulator.fault(fault as Fault, options as FaultOptions);
      else if (clear === true) emulator.clearFaults();
      else if (isTarget(clear)) emulator.clearFaults(clear);
      else throw invalid(`clear is true, or one of ${faultTargets.join(", ")}`);
    },
  },
  clock: {
    takes: {
      set: ["number"],
      advance: ["number"],
      skew: ["number"],
      freeze: ["number", "boolean"],
      resume: ["boolean"],
      reset: ["boolean"],
    },
    read: ({ clock }) => ({ now: clock.now() }),
    write({ clock }, { set, advance, skew, freeze, resume, reset }) {
      if (typeof set === "number") clock.set(set);
      if (typeof advance === "number") clock.advance(advance);
      if (typeof skew === "number") clock.skew(skew);
      if (typeof freeze === "number") clock.freeze(freeze);
      else if (freeze === true) clock.freeze();
      if (resume === true) clock.resume();
      if (reset === true) clock.reset();
      return { now: clock.now() };
    },
  },
  sessions: { write: (emulator) => emulator.endSessions() },
  passcodes: {
    takes: { username: ["string"] },
    write: ({ directory }, { username }) => ({
      passcode: directory.createPasscode(typeof username === "string" ? username : undefined),
    }),
  },
  revoke: {
    takes: { token: ["string"], jti: ["string"], all: ["boolean"] },
    write(emulator, { token, jti, all }) {
      if (all === true) return { revoked: emulator.revokeAll() };
      return { revoked: emulator.revoke(text(token ?? jti, "token or jti")) ? 1 : 0 };
    },
  },
  keys: {
    takes: { dropOld: ["boolean"] },
    write: async (emulator, { dropOld }) => ({
      kid: await emulator.rotateKeys({ dropOld: dropOld === true }),
    }),
  },
  "api-keys": {
    takes: { add: ["string"], disable: ["string"], enable: ["string"], delete: ["string"] },
    write({ apiKeys }, input) {
      const { add, disable, enable, delete: gone } = input;
      if (add !== undefined) apiKeys.add(text(add, "add"));
      if (disable !== undefined) apiKeys.disable(text(disable, "disable"));
      if (enable !== undefined) apiKeys.enable(text(enable, "enable"));
      if (gone !== undefined) apiKeys.delete(text(gone, "delete"));
    },
  },
};

function isTarget(value: unknown): value is FaultTarget {
  return faultTargets.some((target) => target === value);
}

function text(value: unknown, name: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw invalid(`${name} must be a string`);
}

function invalid(why: string): EmulatorError {
  return new EmulatorError("ERR_EMULATOR_OPTION", `The command is not valid: ${why}.`);
}

async function inputOf(
  incoming: Incoming,
  takes: Readonly<Record<string, readonly string[]>>,
): Promise<Input> {
  const { bytes } = await incoming.body();
  if (bytes.length === 0) return {};
  const value = jsonObject(bytes);
  if (!value) throw invalid("the body must be a JSON object");
  for (const [name, given] of Object.entries(value)) {
    const types = Object.hasOwn(takes, name) ? takes[name] : undefined;
    if (!types) throw invalid(`there is no ${name}; it takes ${Object.keys(takes).join(", ") || "nothing"}`);
    if (!types.includes(typeof given)) throw invalid(`${name} must be a ${types.join(" or a ")}`);
  }
  return value;
}

function fail(status: number, error: string): Answer {
  return jsonAnswer(status, { error });
}
