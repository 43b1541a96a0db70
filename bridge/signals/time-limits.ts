/** How calls to Temporal are repeated until it accepts them, in milliseconds. test/unit/time-limits.test.ts compares the limits. */
export const acceptanceLimits = {
  firstRetryMs: 100,
  maxRetryMs: 5_000,
  /** A run that has received as many signals as it may, or is just ending, is followed by the next run within a moment. */
  maxRunRetryMs: 1_000,
  /** A refusal that lasts longer than this turns the health red, even if it may pass by itself. */
  lastingMs: 10_000,
};
