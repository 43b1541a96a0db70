export type JsonObject = Readonly<Record<string, unknown>>;

/** One difference between two forms of a contract that carry the same version. */
export interface Change {
  /** Path of the field, as in `metadata.status_reason`, `capabilities[]` or `(table=agents).row_data`; `` for the root. */
  path: string;
  /** A change is `compatible` when readers and writers of either form understand each other. */
  kind: 'compatible' | 'breaking';
  /** Names the field and both values, and gives the reason for `kind`. */
  sentence: string;
}

export function compatible(path: string, text: string): Change {
  return { path, kind: 'compatible', sentence: `${subjectOf(path)} ${text}` };
}

export function breaking(path: string, text: string): Change {
  return { path, kind: 'breaking', sentence: `${subjectOf(path)} ${text}` };
}

/** Quotes a value in a sentence, and cuts a long one. */
export function shown(value: unknown, limit = 80): string {
  if (value === undefined) return 'not set';
  const text = JSON.stringify(value);
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function subjectOf(path: string): string {
  return path === '' ? 'The whole' : `\`${path}\``;
}
