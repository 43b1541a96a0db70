import { breaking, compatible, fieldOf, shown, type Change, type JsonObject } from './change.ts';
import type { Pair } from './compare-keywords.ts';
import type { Comparison } from './compare-schemas.ts';
import { asSchema, isObject, proseKeywords } from './schema-form.ts';

/** The fields of an object, whether others are taken, and of what kind those are. */
export function compareObjects(pair: Pair, comparison: Comparison): Change[] {
  return [...compareFields(pair, comparison), ...compareOthers(pair, comparison)];
}

function compareFields({ before, after, path }: Pair, comparison: Comparison): Change[] {
  const old = fieldsOf(before);
  const now = fieldsOf(after);
  const added = [...now].filter(([name]) => !old.has(name));
  return [
    ...[...old].flatMap(([name, field]) => {
      const kept = now.get(name);
      const at = fieldOf(path, name);
      if (kept === undefined) {
        const [heir] = added.find(([, candidate]) => comparison.same(field.schema, candidate.schema)) ?? [];
        return [removed(at, field, heir)];
      }
      return [...compareRequired(at, field, kept), ...comparison.changes(field.schema, kept.schema, at)];
    }),
    ...added.map(([name, field]) => addedField(fieldOf(path, name), field, before)),
  ];
}

interface Field {
  schema: unknown;
  required: boolean;
}

function fieldsOf({ properties, required }: JsonObject): Map<string, Field> {
  const names = Array.isArray(required) ? required.map(String) : [];
  const fields = Object.entries(isObject(properties) ? properties : {});
  return new Map([
    ...names.map((name): [string, Field] => [name, { schema: {}, required: true }]),
    ...fields.map(([name, schema]): [string, Field] => [name, { schema, required: names.includes(name) }]),
  ]);
}

function removed(at: string, { required }: Field, heir: string | undefined): Change {
  const renamed = heir === undefined ? '' : ` and \`${heir}\` of the same schema is new: renamed?`;
  const reason = required
    ? 'Older readers refuse what is written without it.'
    : 'Older readers take it for left out, and newer ones pass over what was written in it.';
  return breaking(at, `(${required ? 'required' : 'optional'}) is gone${renamed || ': removed.'} ${reason}`);
}

function compareRequired(at: string, old: Field, now: Field): Change[] {
  if (old.required === now.required) return [];
  if (now.required) {
    return [breaking(at, 'was optional and is required now: newer readers refuse what was written without it.')];
  }
  return [breaking(at, 'was required and is optional now: older readers refuse what is written without it.')];
}

/** Beside these alone, a field that is not named is one that readers ignore and no writer wrote. */
const plainKeywords = new Set([
  'type',
  'properties',
  'required',
  'default',
  '$schema',
  'definitions',
  ...proseKeywords,
]);

function addedField(at: string, { schema, required }: Field, before: JsonObject): Change {
  if (required) {
    return breaking(at, 'is new and required: newer readers refuse what was written before, which lacks it.');
  }
  if (before['additionalProperties'] === false) {
    return breaking(
      at,
      'is new, where no unknown field is taken (additionalProperties false): older readers refuse it.',
    );
  }
  const holder = Object.keys(before).find((keyword) => !plainKeywords.has(keyword));
  if (holder !== undefined) {
    return breaking(
      at,
      `is new, where ${holder} already let fields of any name be written: what stands under this one may be of another kind.`,
    );
  }
  const { default: value } = asSchema(schema);
  const meaning = value === undefined ? '' : `, with the default ${shown(value)}`;
  return compatible(
    at,
    `is new and optional${meaning}: older readers ignore it, and what was written without it is read as before.`,
  );
}

function compareOthers({ before, after, path }: Pair, comparison: Comparison): Change[] {
  const { additionalProperties: old } = before;
  const { additionalProperties: now } = after;
  if (isObject(old) && isObject(now)) return comparison.changes(old, now, fieldOf(path, '*'));
  if (old === now) return [];
  const difference = `additionalProperties was ${shown(old)} and is ${shown(now)} now`;
  if (now === false)
    return [breaking(path, `is closed (${difference}): newer readers refuse fields that they do not know.`)];
  if (old === false)
    return [breaking(path, `is open (${difference}): older readers refuse fields that they do not know.`)];
  return [
    breaking(path, `is asked for otherwise (${difference}): fields that are not named were one thing and are another.`),
  ];
}
