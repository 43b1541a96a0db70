export interface Verdict {
  /**
   * `waiting`: something has to happen first, the sentence says what. `stuck`: nothing will, until somebody does what
   * the sentence says. `unknown`: too many parts could not be asked.
   */
  state: 'running' | 'stopped' | 'failed' | 'deleted' | 'waiting' | 'stuck' | 'unknown';
  sentence: string;
}

export interface VerdictOptions {
  now: Date;
  formatTime: (time: Date) => string;
}

export const stuck = (sentence: string): Verdict => ({ state: 'stuck', sentence });
export const waiting = (what: string): Verdict => ({ state: 'waiting', sentence: `waiting for ${what}` });
