import fc from 'fast-check';

/** JSON Schemas in the form in which zod writes them, their edits, and what is valid under them. */
export type Schema = Record<string, unknown>;

const names = ['a', 'b', 'c', 'd'];
const values = ['x', 'y', 'z'];
const formats = ['uuid', 'date-time'];
const limits = fc.record({ min: fc.constantFrom(0, 1, 2), max: fc.constantFrom(2, 3) }, { requiredKeys: [] });

const leaf: fc.Arbitrary<Schema> = fc.oneof(
  fc.constantFrom<Schema>({ type: 'boolean' }, { type: 'null' }, {}),
  { weight: 2, arbitrary: fc.constantFrom<Schema>({ type: 'string' }, { type: 'string', default: 'x' }) },
  fc.subarray(values, { minLength: 1 }).map((some) => ({ type: 'string', enum: some })),
  fc.constantFrom(...values).map((value) => ({ type: 'string', const: value })),
  fc.constantFrom(...formats).map((format) => ({ type: 'string', format })),
  limits.map(({ min, max }) => defined({ type: 'string', minLength: min, maxLength: max })),
  limits.map(({ min, max }) => defined({ type: 'integer', minimum: min, maximum: max })),
);

export const { schema } = fc.letrec<{ schema: Schema; object: Schema }>((tie) => ({
  object: fc
    .record({
      fields: fc.dictionary(fc.constantFrom(...names), fc.tuple(tie('schema'), fc.boolean()), { maxKeys: 3 }),
      others: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, fc.constantFrom({}, false), leaf),
    })
    .map(({ fields, others }) => objectOf(fields, others)),
  schema: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    leaf,
    { weight: 3, arbitrary: tie('object') },
    fc
      .tuple(tie('schema'), limits)
      .map(([items, { min, max }]) => defined({ type: 'array', items, minItems: min, maxItems: max })),
    tie('schema').map((others) => ({
      type: 'object',
      propertyNames: { type: 'string' },
      additionalProperties: others,
    })),
    tie('schema').map((inner) => ({ anyOf: [inner, { type: 'null' }] })),
    fc.tuple(tie('object'), tie('object')).map((branches) => ({
      oneOf: branches.map((branch, index) => withField(branch, 'kind', { type: 'string', const: values[index] }, true)),
    })),
    fc.tuple(tie('schema'), tie('schema')).map((anyOf) => ({ anyOf })),
    fc.tuple(tie('object'), tie('object')).map((allOf) => ({ allOf })),
    fc.tuple(tie('object'), tie('object')).map((oneOf) => ({ oneOf })),
  ),
}));

/** One change of one place; several such are what a change of a contract is. */
export interface Edit {
  /** Which of the schemas within the schema, counted around. */
  place: number;
  /** Undefined where the place is none for such an edit. */
  apply: (at: Schema) => Schema | undefined;
}

const asObject = (apply: (at: Schema) => Schema) => (at: Schema) => (at['type'] === 'object' ? apply(at) : undefined);
const addField = fc.tuple(fc.constantFrom(...names, 'kind'), leaf, fc.boolean());

export const edit: fc.Arbitrary<Edit> = fc.record({
  place: fc.nat({ max: 20 }),
  apply: fc.oneof(
    {
      weight: 6,
      arbitrary: addField.map(([name, field, required]) => asObject((at) => withField(at, name, field, required))),
    },
    {
      weight: 2,
      arbitrary: fc.constantFrom('old', 'new').map((description) => (at: Schema) => ({ ...at, description })),
    },
    fc.constantFrom(...names).map((name) => asObject((at) => ({ ...at, required: toggled(at['required'], name) }))),
    fc.constantFrom(...names).map((name) => asObject((at) => ({ ...at, properties: withoutField(at['properties'], name), required: without(at['required'], name) }))), // prettier-ignore
    fc.constantFrom(undefined, false, {}, { type: 'boolean' }).map((others) => asObject((at) => defined({ ...at, additionalProperties: others }))), // prettier-ignore
    leaf.map((other) => () => other),
    fc.constantFrom(...values).map((value) => (at: Schema) => 'enum' in at ? { ...at, enum: toggled(at['enum'], value) } : undefined), // prettier-ignore
    {
      weight: 5,
      arbitrary: fc
        .constantFrom('y', undefined)
        .map((value) => (at: Schema) => (at['type'] === 'string' ? defined({ ...at, default: value }) : undefined)),
    },
    fc.tuple(fc.constantFrom('minLength', 'maxLength', 'minimum', 'maximum', 'minItems', 'maxItems'), fc.constantFrom(0, 1, 2, 3, undefined)).map(([keyword, limit]) => (at: Schema) => defined({ ...at, [keyword]: limit })), // prettier-ignore
    fc.constantFrom('^x', '^y', undefined).map((pattern) => (at: Schema) => defined({ ...at, pattern })),
    fc.constantFrom(...formats, undefined).map((format) => (at: Schema) => defined({ ...at, format })),
    fc.constant((at: Schema) => ({ anyOf: [at, { type: 'null' }] })),
    leaf.map((branch) => (at: Schema) => Array.isArray(at['anyOf']) ? { ...at, anyOf: [...(at['anyOf'] as Schema[]), branch] } : undefined), // prettier-ignore
    fc.constant((at: Schema) => Array.isArray(at['oneOf']) ? { ...at, oneOf: at['oneOf'].slice(1) as Schema[] } : undefined), // prettier-ignore
    leaf.map((not) => (at: Schema) => ({ ...at, not })),
  ),
});

export function edited(given: Schema, { place, apply }: Edit): Schema {
  const copy = structuredClone(given);
  const places = placesIn(copy);
  // The next place, round about, that is one for the edit.
  for (let step = 0; step < places.length; step += 1) {
    const at = places[(place + step) % places.length] ?? copy;
    const changed = apply(structuredClone(at));
    if (changed === undefined) continue;
    for (const keyword of Object.keys(at)) delete at[keyword];
    Object.assign(at, changed);
    break;
  }
  return copy;
}

/** The schema and all within it. */
export function placesIn(at: Schema): Schema[] {
  const inside = [
    ...Object.values((at['properties'] ?? {}) as Schema),
    ...['anyOf', 'oneOf', 'allOf'].flatMap((keyword) => (at[keyword] ?? []) as Schema[]),
    ...['items', 'additionalProperties'].map((keyword) => at[keyword]),
  ];
  return [at, ...inside.filter((each) => typeof each === 'object').flatMap((each) => placesIn(each as Schema))];
}

/** Mostly valid under the schema; never with a field that nothing in it speaks of. */
export function instanceOf(given: unknown): fc.Arbitrary<unknown> {
  const { type, properties, required, items, additionalProperties, anyOf, oneOf, allOf, ...at } = (given ??
    {}) as Schema;
  const branches = (anyOf ?? oneOf) as Schema[] | undefined;
  if (branches !== undefined) return fc.oneof(...branches.map(instanceOf), fc.constant(null));
  if (Array.isArray(allOf)) {
    return fc.tuple(...allOf.map(instanceOf)).map((parts) => Object.assign({}, ...parts) as unknown);
  }
  if (at['const'] !== undefined) return fc.constant(at['const']);
  if (Array.isArray(at['enum'])) return fc.constantFrom(...(at['enum'] as unknown[]), 'x');
  switch (type) {
    case 'object': {
      const fields = (properties ?? {}) as Record<string, Schema>;
      const model = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, instanceOf(field)]));
      const mandatory = ((required ?? []) as string[]).filter((name) => name in fields);
      const named = fc.record(model, { requiredKeys: mandatory });
      if (typeof additionalProperties !== 'object') return named;
      const others = fc.dictionary(fc.constantFrom(...names), instanceOf(additionalProperties), { maxKeys: 2 });
      return fc.tuple(others, named).map(([some, rest]) => ({ ...some, ...rest }));
    }
    case 'array':
      return fc.array(instanceOf(items), { maxLength: 3 });
    case 'string':
      if (at['format'] === 'uuid') return fc.uuid();
      if (at['format'] === 'date-time') return fc.constant('2025-01-01T12:00:00.000Z');
      return fc.constantFrom('', 'x', 'xy', 'yx', 'yyy', 'xxxx');
    case 'integer':
      return fc.integer({ min: -1, max: 4 });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.constantFrom<unknown[]>('x', 1, true, null, [], {});
  }
}

function objectOf(fields: Record<string, [Schema, boolean]>, others: unknown): Schema {
  const empty: Schema = defined({ type: 'object', properties: {}, additionalProperties: others });
  return Object.entries(fields).reduce((at, [name, [field, required]]) => withField(at, name, field, required), empty);
}

function withField(at: Schema, name: string, field: Schema, required: boolean): Schema {
  const others = without(at['required'], name);
  return {
    ...at,
    properties: { ...(at['properties'] as Schema | undefined), [name]: field },
    required: required ? [...others, name] : others,
  };
}

function without(list: unknown, name: string): string[] {
  return ((list ?? []) as string[]).filter((each) => each !== name);
}

function withoutField(properties: unknown, name: string): Schema {
  return Object.fromEntries(Object.entries(properties ?? {}).filter(([each]) => each !== name));
}

function toggled(list: unknown, value: string): string[] {
  const present = Array.isArray(list) ? (list as string[]) : [];
  return present.includes(value) && present.length > 1
    ? present.filter((each) => each !== value)
    : [...new Set([...present, value])];
}

function defined(given: Schema): Schema {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
