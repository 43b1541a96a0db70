import { isDeepStrictEqual } from 'node:util';
import { breaking, compatible, shown, type Change, type JsonObject } from './change.ts';
import { isProse, rules } from './keyword-rules.ts';
import { placeOf, type Place } from './places.ts';

/** Draft-07, as `z.toJSONSchema(schema, { io: 'input', target: 'draft-7' })` makes it. */
export type JsonSchema = JsonObject;

/** If one of these changed, whatever differs inside is noise. */
const decisive = ['kind', 'anyOf', 'oneOf', 'items'];

/**
 * Judges two forms of a schema that carry one version. Older and newer builds read each other's messages: consumers are
 * deployed one after the other, and queues and the log hold what older builds wrote. So only two changes are compatible:
 * prose, and a new optional field where readers ignore the fields that they do not know.
 */
export function compareSchemas(before: JsonSchema, after: JsonSchema): Change[] {
  return comparePlaces(placeOf(before), placeOf(after));
}

function comparePlaces(was: Place, is: Place): Change[] {
  const changes = [...compareConstraints(was, is), ...compareProse(was, is)];
  if (decisive.some((keyword) => differ(keyword, was, is))) return changes;
  const [old, now] = [was, is].map(({ inner }) => new Map(inner.map((place) => [place.path, place])));
  const isNew = is.inner.filter(({ path }) => !old?.has(path));
  return [
    ...changes,
    ...was.inner.flatMap((place) => {
      const same = now?.get(place.path);
      return same ? comparePlaces(place, same) : gone(place, isNew);
    }),
    ...isNew.flatMap((place) => added(place, was.schema)),
  ];
}

function differ(keyword: string, was: Place, is: Place): boolean {
  return !isDeepStrictEqual(was.constraints[keyword], is.constraints[keyword]);
}

function compareConstraints(was: Place, is: Place): Change[] {
  const keywords = differ('kind', was, is)
    ? ['required', 'nullable', 'kind']
    : new Set([...Object.keys(was.constraints), ...Object.keys(is.constraints)]);
  return [...keywords]
    .filter((keyword) => differ(keyword, was, is))
    .flatMap((keyword) => {
      const difference = differenceOf(keyword, was, is);
      const rule = rules[keyword] ?? (() => `${difference}: this keyword cannot be judged, so it counts as breaking.`);
      return [rule(was.constraints[keyword], is.constraints[keyword], difference)].flat();
    })
    .map((sentence) => breaking(was.path, sentence));
}

function compareProse(was: Place, is: Place): Change[] {
  if (differ('kind', was, is)) return [];
  return [...new Set([...Object.keys(was.schema), ...Object.keys(is.schema)])]
    .filter((keyword) => isProse(keyword) && !isDeepStrictEqual(was.schema[keyword], is.schema[keyword]))
    .map((keyword) =>
      compatible(was.path, `reads differently (${differenceOf(keyword, was, is)}): the same values are valid.`),
    );
}

/** Cuts long values, unless the cut would make both look the same. */
function differenceOf(
  keyword: string,
  { schema: { [keyword]: old } }: Place,
  { schema: { [keyword]: now } }: Place,
): string {
  const limit = shown(old) === shown(now) ? Infinity : undefined;
  return `${keyword} was ${shown(old, limit)} and is ${shown(now, limit)} now`;
}

function gone({ role, path, schema, constraints }: Place, candidates: readonly Place[]): Change[] {
  if (role === 'branch') {
    return [breaking(path, 'is no longer one of the branches: newer readers refuse what older writers wrote so.')];
  }
  // The keyword of an element says that it is gone.
  if (role !== 'field') return [];
  const heir = candidates.find(
    (each) => each.role === role && isDeepStrictEqual(withoutProse(each.schema), withoutProse(schema)),
  );
  const fate = heir === undefined ? ': removed.' : ` and \`${heir.path}\` of the same schema is new: renamed?`;
  const reason = constraints['required']
    ? 'Older readers refuse what is written without it.'
    : 'Older readers take it for left out, and newer readers ignore what older writers wrote in it.';
  return [breaking(path, `(${constraints['required'] ? 'required' : 'optional'}) is gone${fate} ${reason}`)];
}

function withoutProse(schema: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => !isProse(keyword)));
}

/** Beside other keywords, an older writer may have written a field that the schema did not name. */
const plainKeywords = new Set(['type', 'properties', 'required', 'default', '$schema', 'definitions']);

function added({ role, path, constraints }: Place, holder: JsonObject): Change[] {
  if (role === 'branch') return [breaking(path, 'is a new branch: older readers refuse it.')];
  if (role !== 'field') return [];
  if (constraints['required']) {
    return [breaking(path, 'is new and required: newer readers refuse what was written before, which lacks it.')];
  }
  if (holder['additionalProperties'] === false) {
    const place = 'where no unknown field is taken (additionalProperties false)';
    return [breaking(path, `is new, ${place}: older readers refuse it.`)];
  }
  const keyword = Object.keys(holder).find((each) => !plainKeywords.has(each) && !isProse(each));
  if (keyword !== undefined) {
    const reason = 'an older message may hold another kind of value under this name.';
    return [breaking(path, `is new, where ${keyword} already let fields of any name be written: ${reason}`)];
  }
  const meaning = constraints['default'] === undefined ? '' : `, with the default ${shown(constraints['default'])}`;
  const reason = 'older readers ignore it, and what was written without it is read as before.';
  return [compatible(path, `is new and optional${meaning}: ${reason}`)];
}
