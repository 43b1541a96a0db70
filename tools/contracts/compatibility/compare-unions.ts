import { breaking, shown, type Change, type JsonObject } from './change.ts';
import type { Pair } from './compare-keywords.ts';
import type { Comparison } from './compare-schemas.ts';
import { asSchema, isObject, typesOf, valuesOf } from './schema-form.ts';

/** `anyOf` and `oneOf` alike: their branches are matched by what tells them apart. */
export function compareUnions({ before, after, path }: Pair, comparison: Comparison): Change[] {
  return ['anyOf', 'oneOf'].flatMap((keyword) => {
    if (!Array.isArray(before[keyword]) || !Array.isArray(after[keyword])) return [];
    return compareBranches(before[keyword].map(asSchema), after[keyword].map(asSchema), path, comparison);
  });
}

function compareBranches(old: JsonObject[], now: JsonObject[], path: string, comparison: Comparison): Change[] {
  for (const labelled of labellings(old)) {
    const [was, is] = [labelled(old), labelled(now)];
    if (was === undefined || is === undefined) continue;
    return [
      ...[...was].flatMap(([label, branch]) => {
        const kept = is.get(label);
        const at = `${path}(${label})`;
        if (kept !== undefined) return comparison.changes(branch, kept, at);
        return [breaking(at, 'is no longer one of the branches: newer readers refuse what older writers wrote so.')];
      }),
      ...[...is.keys()]
        .filter((label) => !was.has(label))
        .map((label) => breaking(`${path}(${label})`, 'is a new branch: older readers refuse it.')),
    ];
  }
  // Which branch a value belongs to depends on all of them, and on their order.
  const same = old.length === now.length && old.every((branch, index) => comparison.same(branch, now[index]));
  if (same) return [];
  const difference = `was one of ${shown(old)} and is one of ${shown(now)} now`;
  return [breaking(path, `${difference}: no constant tells these branches apart, so it cannot be judged.`)];
}

type Labelling = (branches: JsonObject[]) => Map<string, JsonObject> | undefined;

/** By type, by value, or by a required field whose values differ, as `table` in `(table=agents)`. */
function labellings(branches: JsonObject[]): Labelling[] {
  const fields = Array.isArray(branches[0]?.['required']) ? branches[0]['required'].map(String) : [];
  return [
    labelling('', (branch) => typesOf(branch)?.map((type) => (type === 'integer' ? 'number' : type))),
    labelling('', (branch) => valuesOf(branch)?.map((value) => JSON.stringify(value))),
    ...fields.map((name) => labelling(`${name}=`, (branch) => constantsOf(branch, name))),
  ];
}

/** None where two branches share a label, or one has none. */
function labelling(prefix: string, namesOf: (branch: JsonObject) => string[] | undefined): Labelling {
  return (branches) => {
    const names = branches.map(namesOf);
    const all = names.flat();
    if (names.includes(undefined) || new Set(all).size !== all.length) return undefined;
    return new Map(branches.map((branch, index) => [`${prefix}${names[index]?.toSorted().join('|') ?? ''}`, branch]));
  };
}

function constantsOf({ type, properties, required }: JsonObject, name: string): string[] | undefined {
  if (type !== 'object' || !isObject(properties) || !Array.isArray(required) || !required.includes(name))
    return undefined;
  return valuesOf(asSchema(properties[name]))?.map((value) =>
    typeof value === 'string' ? value : JSON.stringify(value),
  );
}
