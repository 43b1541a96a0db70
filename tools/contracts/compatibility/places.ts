import { isObject, type JsonObject } from './change.ts';
import { isProse, rules } from './keyword-rules.ts';
import { allowedTypes, allowedValues, normalized } from './normal-schema.ts';

/** A schema within a schema. */
export interface Place {
  role: 'document' | 'field' | 'branch' | 'element';
  /** Path of the schema around it; undefined for the document. */
  around?: string;
  schema: JsonObject;
  /**
   * What the place asks for, by keyword, in one spelling. `kind`, `nullable`, `required` (of the field) and `values` (of
   * `const` and `enum`) stand beside the keywords of JSON Schema.
   */
  constraints: JsonObject;
}

type Places = Map<string, Place>;
type Origin = Pick<Place, 'role' | 'around' | 'constraints'> & { path: string };

/** A schema inside another, and where it stands. */
type Inner = [Origin, schema: unknown];

/** Every schema within a document by its path, as in `(table=agents).row_data.capabilities[]`, outer ones first. */
export function placesOf(given: unknown, open: readonly JsonObject[] = isObject(given) ? [given] : []): Places {
  return placesFrom({ role: 'document', path: '', constraints: {} }, given, open);
}

function placesFrom({ path, ...origin }: Origin, given: unknown, around: readonly JsonObject[]): Places {
  const { schema, nullable, open, recursion } = normalized(given, around);
  const combined = combinedIn(schema, open);
  const values = allowedValues(schema);
  const constraints: JsonObject = {
    ...origin.constraints,
    ...constraintsOf(schema, open),
    ...Object.fromEntries(combined.map(({ keyword, members, names }) => [keyword, names ? 'named' : members])),
    ...(values && { values }),
    nullable,
    kind: recursion === undefined ? kindOf(schema) : `the schema ${recursion} references above`,
  };
  const inner: Inner[] = [
    ...fieldsOf(schema, path),
    ...elementsOf(schema, path),
    ...combined.flatMap(({ schemas, names = [] }) =>
      names.map((name, index): Inner => [
        { role: 'branch', path: `${path}(${name})`, constraints: {} },
        schemas[index],
      ]),
    ),
  ];
  return new Map([
    [path, { ...origin, schema, constraints }] as const,
    ...inner.flatMap(([at, each]) => [...placesFrom({ ...at, around: path }, each, open)]),
  ]);
}

/** Keywords that `kind`, `values` and the places within say better. */
const structure = new Set(['type', 'const', 'enum', 'properties', 'required', 'definitions', '$defs']);
const elementPaths = { items: '[]', additionalItems: '[…]', propertyNames: '.(names)', additionalProperties: '.*' };

function constraintsOf(schema: JsonObject, open: readonly JsonObject[]): JsonObject {
  const keywords = Object.entries(schema).filter(([keyword]) => !structure.has(keyword) && !isProse(keyword));
  return Object.fromEntries(
    keywords.map(([keyword, value]) => {
      // Elements are places of their own: what counts here is whether there are any, and how many a tuple has.
      if (keyword in elementPaths) return [keyword, Array.isArray(value) ? value.length : isObject(value) || value];
      // A keyword without a rule is compared as it is written, with the document that a reference in it leads to.
      const refers = !(keyword in rules) && JSON.stringify({ [keyword]: value }).includes('"$ref":');
      return [keyword, refers ? [value, open[0]] : value];
    }),
  );
}

function kindOf(schema: JsonObject): string {
  const type = allowedTypes(schema)?.join(' or ');
  const unions = ['anyOf', 'oneOf'].filter((keyword) => schema[keyword] !== undefined);
  if (unions.length === 0) return type ?? 'of any type';
  return `${type === undefined ? '' : `${type} and `}one of several (${unions.join(' and ')})`;
}

function fieldsOf({ properties, required }: JsonObject, path: string): Inner[] {
  const mandatory = Array.isArray(required) ? required.map(String) : [];
  const schemas = new Map<string, unknown>(mandatory.map((name) => [name, {}]));
  for (const [name, schema] of Object.entries(isObject(properties) ? properties : {})) schemas.set(name, schema);
  return [...schemas].map(([name, schema]) => {
    const shown = /^[\w:-]+$/.test(name) ? name : JSON.stringify(name);
    const constraints = { required: mandatory.includes(name) };
    return [{ role: 'field', path: path === '' ? shown : `${path}.${shown}`, constraints }, schema];
  });
}

function elementsOf(schema: JsonObject, path: string): Inner[] {
  return Object.entries(elementPaths).flatMap(([keyword, place]) => {
    const { [keyword]: value } = schema;
    const found = Array.isArray(value) ? value.map((each, index) => [`[${index}]`, each]) : [[place, value]];
    return found
      .filter(([, each]) => isObject(each))
      .map(([at, each]): Inner => [
        {
          role: 'element',
          path: path === '' ? String(at).replace(/^\./, '') : `${path}${String(at)}`,
          constraints: {},
        },
        each,
      ]);
  });
}

interface Combined {
  keyword: string;
  schemas: unknown[];
  /** The constraints of each schema, by path. */
  members: Map<string, JsonObject>[];
  /** Of the branches of a union that can be told apart. */
  names: string[] | undefined;
}

function combinedIn(schema: JsonObject, open: readonly JsonObject[]): Combined[] {
  return ['anyOf', 'oneOf', 'allOf'].flatMap((keyword) => {
    const { [keyword]: schemas } = schema;
    if (!Array.isArray(schemas)) return [];
    const branches = schemas.map((each) => placesOf(each, open));
    const members = branches.map((places) => new Map([...places].map(([at, { constraints }]) => [at, constraints])));
    return [{ keyword, schemas, members, names: keyword === 'allOf' ? undefined : namesOf(branches) }];
  });
}

/** Names branches by a required field whose values differ, as in `table=agents`, by their values, or by their types. */
function namesOf(branches: readonly Places[]): string[] | undefined {
  const fields = [...(branches[0] ?? [])].filter(([, { role, around }]) => role === 'field' && around === '');
  const candidates: ((branch: Places) => string[] | undefined)[] = [
    ...fields.map(([field]) => (branch: Places) => {
      const isTold = branch.get('')?.constraints['kind'] === 'object' && branch.get(field)?.constraints['required'];
      return isTold ? shownValues(branch.get(field))?.map((value) => `${field}=${value}`) : undefined;
    }),
    (branch) => shownValues(branch.get('')),
    (branch) => allowedTypes(branch.get('')?.schema ?? {})?.map((type) => (type === 'integer' ? 'number' : type)),
  ];
  return candidates
    .map((namesFor) => branches.map((branch) => namesFor(branch)))
    .find((names) => !names.includes(undefined) && new Set(names.flat()).size === names.flat().length)
    ?.map((names) => names?.toSorted().join('|') ?? '');
}

function shownValues(place: Place | undefined): string[] | undefined {
  const values = place && allowedValues(place.schema);
  return values?.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
}
