import { isDeepStrictEqual } from 'node:util';
import { breaking, compatible, either, shown, type Change, type JsonObject } from './change.ts';
import { expanded, proseKeywords, valuesOf } from './schema-form.ts';

export interface Pair {
  before: JsonObject;
  after: JsonObject;
  path: string;
}

/** Whether more of a limit lets more through. */
const limits: Readonly<Record<string, 'raises' | 'lowers'>> = {
  maximum: 'raises',
  exclusiveMaximum: 'raises',
  maxLength: 'raises',
  maxItems: 'raises',
  maxProperties: 'raises',
  minimum: 'lowers',
  exclusiveMinimum: 'lowers',
  minLength: 'lowers',
  minItems: 'lowers',
  minProperties: 'lowers',
};
const textForms = new Set(['pattern', 'format', 'multipleOf', 'uniqueItems', 'contentEncoding', 'contentMediaType']);

/** Keywords that have a comparison of their own. `definitions` are compared where they are referred to. */
const compared = new Set(
  'type const enum default properties required additionalProperties items additionalItems propertyNames anyOf oneOf allOf definitions $defs'.split(
    ' ',
  ),
);

/** Every keyword that holds no schema to look into. */
export function compareKeywords(
  pair: Pair,
  { roots, prose }: { roots: { before: JsonObject; after: JsonObject }; prose: boolean },
): Change[] {
  const { before, after, path } = pair;
  const keywords = new Set([...Object.keys(before), ...Object.keys(after)].filter((keyword) => !compared.has(keyword)));
  const changes = [...keywords].flatMap((keyword) => {
    const old = before[keyword];
    const now = after[keyword];
    if (proseKeywords.has(keyword) && !prose) return [];
    if (isDeepStrictEqual(expanded({ [keyword]: old }, roots.before), expanded({ [keyword]: now }, roots.after)))
      return [];
    const [was, is] = distinguishable(old, now);
    const difference = `${keyword} was ${was} and is ${is} now`;
    if (proseKeywords.has(keyword)) return compatible(path, `reads otherwise (${difference}): nothing that is valid.`);
    if (limits[keyword] !== undefined) return breaking(path, `${difference}: ${limitReason(keyword, old, now)}`);
    if (textForms.has(keyword)) return breaking(path, `${difference}: ${formReason(old, now)}`);
    return breaking(path, `${difference}: this keyword cannot be judged, so it counts as breaking.`);
  });
  return [...changes, ...compareValues(pair), ...compareDefault(pair)];
}

function limitReason(keyword: string, old: unknown, now: unknown): string {
  if (typeof old !== 'number' || typeof now !== 'number') return formReason(old, now);
  return now > old === (limits[keyword] === 'raises') ? wider : narrower;
}

function formReason(old: unknown, now: unknown): string {
  if (old === undefined) return narrower;
  return now === undefined ? wider : either;
}

const narrower = 'narrower, so newer readers refuse what older writers may have written.';
const wider = 'wider, so older readers refuse what newer writers may write.';

function compareValues({ before, after, path }: Pair): Change[] {
  const old = valuesOf(before);
  const now = valuesOf(after);
  if (old === undefined && now === undefined) return [];
  if (old === undefined) return [breaking(path, `took any value and takes only ${listed(now)} now: ${narrower}`)];
  if (now === undefined) return [breaking(path, `took only ${listed(old)} and takes any value now: ${wider}`)];
  const gone = old.filter((value) => !includes(now, value));
  const added = now.filter((value) => !includes(old, value));
  if (gone.length === 1 && added.length === 1 && old.length === 1 && now.length === 1) {
    return [breaking(path, `was ${shown(old[0])} and is ${shown(now[0])} now: ${either}`)];
  }
  return [
    ...gone.map((value) =>
      breaking(path, `no longer takes ${shown(value)}: newer readers refuse what older writers wrote with it.`),
    ),
    ...added.map((value) => breaking(path, `takes ${shown(value)} now: older readers refuse it.`)),
  ];
}

function compareDefault({ before: { default: old }, after: { default: now }, path }: Pair): Change[] {
  if (isDeepStrictEqual(old, now)) return [];
  return [
    breaking(
      path,
      `had the default ${shown(old)}, which is ${shown(now)} now: what is left out would mean something else.`,
    ),
  ];
}

function includes(values: readonly unknown[], value: unknown): boolean {
  return values.some((each) => isDeepStrictEqual(each, value));
}

function listed(values: readonly unknown[] = []): string {
  return values.map((value) => shown(value)).join(', ');
}

/** Cut, but not where both would look the same. */
function distinguishable(old: unknown, now: unknown): [string, string] {
  return shown(old) === shown(now) ? [shown(old, Infinity), shown(now, Infinity)] : [shown(old), shown(now)];
}
