type WithTimesAsText<Row> = { [Key in keyof Row]: Date extends Row[Key] ? Exclude<Row[Key], Date> | string : Row[Key] };

/** @returns the row with each `Date` as text in UTC, which is the form of all times in answers */
export function withTimesAsText<Row extends object>(row: Row): WithTimesAsText<Row> {
  const entries = Object.entries(row).map(([key, value]) => [key, value instanceof Date ? value.toISOString() : value]);
  return Object.fromEntries(entries) as WithTimesAsText<Row>;
}
