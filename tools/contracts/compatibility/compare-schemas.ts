import { breaking, either, fieldOf, shown, type Change, type JsonObject } from './change.ts';
import { compareKeywords, type Pair } from './compare-keywords.ts';
import { compareObjects } from './compare-objects.ts';
import { compareUnions } from './compare-unions.ts';
import { formOf, typesOf, type SchemaForm } from './schema-form.ts';

/** Draft-07, as `z.toJSONSchema(schema, { io: 'input', target: 'draft-7' })` makes it. */
export type JsonSchema = JsonObject;

/** How the parts of two schemas are compared. */
export interface Comparison {
  changes(before: unknown, after: unknown, path: string): Change[];
  /** Whether the two differ in nothing but prose. */
  same(before: unknown, after: unknown): boolean;
}

/**
 * Judges two forms of a schema that carry one version. Both ways must hold: what is written by the new form is read by
 * the old one (consumers that are not deployed yet), and the reverse (messages in queues, entries of the log). So only
 * a new optional field, where unknown ones are ignored, and prose are compatible.
 */
export function compareSchemas(before: JsonSchema, after: JsonSchema): Change[] {
  return comparisonOf({ before, after }).changes(before, after, '');
}

type Roots = Pick<Pair, 'before' | 'after'>;

function comparisonOf(roots: Roots, { strict = false } = {}): Comparison {
  const open: [JsonObject, JsonObject][] = [];
  const comparison: Comparison = {
    changes: (before, after, path) => {
      const old = formOf(before, roots.before);
      const now = formOf(after, roots.after);
      // A schema that refers to itself: this pair is being compared already.
      if (open.some(([left, right]) => left === old.schema && right === now.schema)) return [];
      open.push([old.schema, now.schema]);
      const changes = compare({ old, now, path }, { roots, comparison, strict });
      open.pop();
      return changes;
    },
    // With an `open` of its own: a pair that is being compared outside may turn out to differ compatibly.
    same: (before, after) =>
      (strict ? comparison : comparisonOf(roots, { strict: true })).changes(before, after, '').length === 0,
  };
  return comparison;
}

function compare(
  { old, now, path }: { old: SchemaForm; now: SchemaForm; path: string },
  { roots, comparison, strict }: { roots: Roots; comparison: Comparison; strict: boolean },
): Change[] {
  const pair = { before: old.schema, after: now.schema, path };
  const nullable = old.nullable === now.nullable ? [] : [nullableChange(path, now.nullable)];
  const kind = kindChange(pair);
  // Of something else there is no use in saying what is different about it.
  if (kind !== undefined) return [...nullable, kind];
  return [
    ...nullable,
    ...compareKeywords(pair, { roots, prose: !strict }),
    ...compareObjects(pair, comparison),
    ...compareParts(pair, comparison),
    ...compareUnions(pair, comparison),
    ...compareAllOf(pair, comparison),
  ];
}

function nullableChange(path: string, nullable: boolean): Change {
  return nullable
    ? breaking(path, 'could not be null and can be null now: older readers refuse null.')
    : breaking(path, 'could be null and cannot be null now: newer readers refuse the null that older writers wrote.');
}

function kindChange({ before, after, path }: Pair): Change | undefined {
  const [was, is] = [kindOf(before), kindOf(after)];
  return was === is ? undefined : breaking(path, `was ${was} and is ${is} now: ${either}`);
}

function kindOf(schema: JsonObject): string {
  const union = ['anyOf', 'oneOf'].filter((keyword) => schema[keyword] !== undefined);
  const type = typesOf(schema)?.join(' or ');
  if (union.length === 0) return type ?? 'of any type';
  return `${type === undefined ? '' : `${type} and `}one of several (${union.join(' and ')})`;
}

/** What arrays hold, and the names of fields. */
function compareParts({ before, after, path }: Pair, comparison: Comparison): Change[] {
  const parts = { items: `${path}[]`, additionalItems: `${path}[…]`, propertyNames: fieldOf(path, '(names)') };
  return Object.entries(parts).flatMap(([keyword, at]) => {
    const old = before[keyword];
    const now = after[keyword];
    if (old === undefined && now === undefined) return [];
    if (!Array.isArray(old) && !Array.isArray(now)) return comparison.changes(old, now, at);
    if (Array.isArray(old) && Array.isArray(now) && old.length === now.length) {
      return old.flatMap((item, index) => comparison.changes(item, now[index], `${path}[${index}]`));
    }
    return [breaking(path, `held ${shown(old)} and holds ${shown(now)} now: ${either}`)];
  });
}

/** Its members describe one value together, so a field that is new in one may be old in another. */
function compareAllOf({ before: { allOf: old }, after: { allOf: now }, path }: Pair, comparison: Comparison): Change[] {
  if (old === undefined && now === undefined) return [];
  const kept = Array.isArray(old) && Array.isArray(now) && old.length === now.length;
  if (kept && old.every((member, index) => comparison.same(member, now[index]))) return [];
  return [breaking(path, `had to be all of ${shown(old)} and has to be all of ${shown(now)} now: ${either}`)];
}
