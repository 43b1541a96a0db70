import { isDeepStrictEqual } from 'node:util';
import { breaking, compatible, shown, type Change, type JsonObject } from './change.ts';
import { isProse, rules } from './keyword-rules.ts';
import { placesOf, type Place } from './places.ts';

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
  const [old, now] = [placesOf(before), placesOf(after)];
  const settled = new Set<string | undefined>();
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((path) => {
    const [was, is] = [old.get(path), now.get(path)];
    if (settled.has((was ?? is)?.around)) {
      settled.add(path);
      return [];
    }
    if (was === undefined || is === undefined || decisive.some((keyword) => differ(keyword, was, is)))
      settled.add(path);
    if (was !== undefined && is !== undefined)
      return [...compareConstraints(path, was, is), ...compareProse(path, was, is)];
    if (was !== undefined)
      return gone(
        path,
        was,
        [...now].filter(([each]) => !old.has(each)),
      );
    return is === undefined ? [] : added(path, is, old.get(is.around ?? '')?.schema ?? {});
  });
}

function differ(keyword: string, was: Place, is: Place): boolean {
  return !isDeepStrictEqual(was.constraints[keyword], is.constraints[keyword]);
}

function compareConstraints(path: string, was: Place, is: Place): Change[] {
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
    .map((sentence) => breaking(path, sentence));
}

function compareProse(path: string, was: Place, is: Place): Change[] {
  if (differ('kind', was, is)) return [];
  return [...new Set([...Object.keys(was.schema), ...Object.keys(is.schema)])]
    .filter((keyword) => isProse(keyword) && !isDeepStrictEqual(was.schema[keyword], is.schema[keyword]))
    .map((keyword) =>
      compatible(path, `reads differently (${differenceOf(keyword, was, is)}): the same values are valid.`),
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

function gone(path: string, { role, around, schema, constraints }: Place, candidates: [string, Place][]): Change[] {
  if (role === 'branch') {
    return [breaking(path, 'is no longer one of the branches: newer readers refuse what older writers wrote so.')];
  }
  // The keyword of an element says that it is gone.
  if (role !== 'field') return [];
  const [heir] =
    candidates.find(
      ([, each]) =>
        each.role === role &&
        each.around === around &&
        isDeepStrictEqual(withoutProse(each.schema), withoutProse(schema)),
    ) ?? [];
  const fate = heir === undefined ? ': removed.' : ` and \`${heir}\` of the same schema is new: renamed?`;
  return [
    constraints['required']
      ? breaking(path, `(required) is gone${fate} Older readers refuse what is written without it.`)
      : breaking(
          path,
          `(optional) is gone${fate} Older readers take it for left out, and newer readers ignore what older writers wrote in it.`,
        ),
  ];
}

function withoutProse(schema: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => !isProse(keyword)));
}

/** Beside other keywords, an older writer may have written a field that the schema did not name. */
const plainKeywords = new Set(['type', 'properties', 'required', 'default', '$schema', 'definitions']);

function added(path: string, { role, constraints }: Place, holder: JsonObject): Change[] {
  if (role === 'branch') return [breaking(path, 'is a new branch: older readers refuse it.')];
  if (role !== 'field') return [];
  if (constraints['required']) {
    return [breaking(path, 'is new and required: newer readers refuse what was written before, which lacks it.')];
  }
  if (holder['additionalProperties'] === false) {
    return [
      breaking(path, 'is new, where no unknown field is taken (additionalProperties false): older readers refuse it.'),
    ];
  }
  const keyword = Object.keys(holder).find((each) => !plainKeywords.has(each) && !isProse(each));
  if (keyword !== undefined) {
    const reason = 'an older message may hold another kind of value under this name.';
    return [breaking(path, `is new, where ${keyword} already let fields of any name be written: ${reason}`)];
  }
  const meaning = constraints['default'] === undefined ? '' : `, with the default ${shown(constraints['default'])}`;
  return [
    compatible(
      path,
      `is new and optional${meaning}: older readers ignore it, and what was written without it is read as before.`,
    ),
  ];
}
