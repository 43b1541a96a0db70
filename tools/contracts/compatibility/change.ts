/** As JSON.parse makes it. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** One difference between two forms of a contract that carry the same version. */
export interface Change {
  /** Of the field, as in `metadata.status_reason`, `capabilities[]`, `config.*`, `(table=agents).row_data`; `` for the whole. */
  path: string;
  /** `compatible`: whatever is written by either form is read by the other. */
  kind: 'compatible' | 'breaking';
  /** For a person: the field, both values, and why it is what it is. */
  sentence: string;
}

export function compatible(path: string, text: string): Change {
  return { path, kind: 'compatible', sentence: `${named(path)} ${text}` };
}

export function breaking(path: string, text: string): Change {
  return { path, kind: 'breaking', sentence: `${named(path)} ${text}` };
}

export function fieldOf(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** A value for a sentence, cut where it is long. */
export function shown(value: unknown, limit = 80): string {
  if (value === undefined) return 'not set';
  const text = JSON.stringify(value);
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

/** Why a change that cannot be read one way only is breaking. */
export const either = 'readers of the one form may refuse what writers of the other write.';

function named(path: string): string {
  return path === '' ? 'The whole' : `\`${path}\``;
}
