import type { AdapterSubject, Capability } from "./adapter-subject.ts";
import { playScene, type Scene } from "./scene.ts";

/** One rule of the contract, as data. */
export interface ContractCase {
  /** A sentence; the same for every adapter. */
  readonly name: string;
  /** The group it belongs to in the table of results. */
  readonly rule: string;
  /** What a client must be able to do for it. */
  readonly needs: readonly Capability[];
  /** Rejects when the subject breaks the rule. */
  run(subject: AdapterSubject): Promise<void>;
}

/** A group of cases under construction: sentences, and what is played for each. */
export interface ContractGroup {
  readonly cases: readonly ContractCase[];
  add(name: string, play: (scene: Scene) => Promise<void>, needs?: readonly Capability[]): void;
}

/** Begins a group. */
export function contractGroup(rule: string): ContractGroup {
  const cases: ContractCase[] = [];
  return {
    cases,
    add(name, play, needs = []) {
      cases.push({ name, rule, needs, run: (subject) => playScene(subject, play) });
    },
  };
}
