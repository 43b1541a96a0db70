/** All ids from `lowest` to `highest`. Both are the same where one id is meant. */
export interface IdRange {
  lowest: string;
  highest: string;
}

/** Builds the `where` of a query whose filters are optional. */
export function createWhere() {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  return {
    values,
    parameter,
    /** A filter that is undefined is left out. */
    add: <Value>(value: Value | undefined, condition: (value: Value) => string): void => {
      if (value !== undefined) conditions.push(condition(value));
    },
    /** The equality is written as such, because an index then also gives the order of the rows. */
    within:
      (column: string) =>
      ({ lowest, highest }: IdRange): string =>
        lowest === highest
          ? `${column} = ${parameter(lowest)}`
          : `${column} between ${parameter(lowest)} and ${parameter(highest)}`,
    anyOf:
      (column: string) =>
      (ids: readonly string[]): string =>
        ids.length === 1 ? `${column} = ${parameter(ids[0])}` : `${column} = any (${parameter(ids)})`,
    /** Empty without a condition. */
    toString: (): string => (conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''),
  };
}
