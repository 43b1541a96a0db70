/**
 * `waiting`: the engine waits for something, which the sentence names. `stuck`: nothing happens until a person does what
 * the sentence says. `unknown`: too many parts could not be read.
 */
export const verdictStates = ['running', 'stopped', 'failed', 'deleted', 'waiting', 'stuck', 'unknown'] as const;

export interface Verdict {
  state: (typeof verdictStates)[number];
  sentence: string;
}

export interface VerdictOptions {
  now: Date;
  formatTime: (time: Date) => string;
  actions: Actions;
}

export interface Actions {
  /** A noun phrase, e.g. `a retry`. */
  retry: (instanceId: string) => string;
  /** An imperative, e.g. `look`. */
  explain: (instanceId: string) => string;
  /** An imperative for somebody whose instance fits on no host, e.g. `see that agents_worker runs`. */
  findHost: () => string;
  /** An imperative for a host that is gone for good. */
  forgetHost: (hostId: string) => string;
}

export const stuck = (sentence: string): Verdict => ({ state: 'stuck', sentence });
export const waiting = (what: string): Verdict => ({ state: 'waiting', sentence: `waiting for ${what}` });
