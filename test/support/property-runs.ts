/** Set where the tests run once more on another version of Node.js, for which fewer lives are enough to show a difference. */
export const fewerRuns = 'FEWER_PROPERTY_RUNS';

/** How often a property is tried. */
export function propertyRuns(count: number): { numRuns: number } {
  return { numRuns: process.env[fewerRuns] === undefined ? count : Math.ceil(count / 20) };
}
