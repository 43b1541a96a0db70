/**
 * `waiting`: something has to happen first, the sentence says what. `stuck`: nothing will, until somebody does what the
 * sentence says. `unknown`: too many parts could not be asked.
 */
export const verdictStates = ['running', 'stopped', 'failed', 'deleted', 'waiting', 'stuck', 'unknown'] as const;

export interface Verdict {
  state: (typeof verdictStates)[number];
  sentence: string;
}

export interface VerdictOptions {
  now: Date;
  formatTime: (time: Date) => string;
  /** What the sentence calls that which the reader may do next. */
  actions: Actions;
}

export interface Actions {
  /** To be read as a noun, e.g. `a retry`. */
  retry: (instanceId: string) => string;
  /** To be read as an imperative, e.g. `look`. */
  explain: (instanceId: string) => string;
}

export const stuck = (sentence: string): Verdict => ({ state: 'stuck', sentence });
export const waiting = (what: string): Verdict => ({ state: 'waiting', sentence: `waiting for ${what}` });
