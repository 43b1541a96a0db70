import { isObject, type JsonObject } from './change.ts';
import { isProse, rules } from './keyword-rules.ts';
import { allowedTypes, allowedValues, normalized } from './normal-schema.ts';

/** A schema, as it stands within a document. */
export interface Place {
  role: 'document' | 'field' | 'branch' | 'element';
  /** E.g. `(table=agents).row_data.capabilities[]`. */
  path: string;
  schema: JsonObject;
  /**
   * What the place asks for, by keyword, in one spelling. `kind`, `nullable`, `required` (of the field) and `values` (of
   * `const` and `enum`) stand beside the keywords of JSON Schema.
   */
  constraints: JsonObject;
  /** The places of the schemas directly inside. */
  inner: Place[];
}

type At = Pick<Place, 'role' | 'path'> & { required?: boolean };

export function placeOf(
  given: unknown,
  around: readonly JsonObject[] = isObject(given) ? [given] : [],
  { role, path, required }: At = { role: 'document', path: '' },
): Place {
  const { schema, nullable, open, recursion } = normalized(given, around);
  const place = (at: At, inner: unknown): Place => placeOf(inner, open, { ...at, path: `${path}${at.path}` });
  const combined = ['anyOf', 'oneOf', 'allOf'].flatMap((keyword) => combinedBy(keyword, schema, open));
  const values = allowedValues(schema);
  const constraints: JsonObject = {
    ...(required !== undefined && { required }),
    ...constraintsOf(schema, open),
    ...Object.fromEntries(combined.map(({ keyword, members, names }) => [keyword, names ? 'named' : members])),
    ...(values && { values }),
    nullable,
    kind: recursion === undefined ? kindOf(schema) : `the schema ${recursion} references above`,
  };
  const inner = [
    ...fieldsOf(schema).map(([name, field, isRequired]) =>
      place({ role: 'field', path: path === '' ? name : `.${name}`, required: isRequired }, field),
    ),
    ...elementsOf(schema).map(([at, element]) =>
      place({ role: 'element', path: path === '' ? at.replace(/^\./, '') : at }, element),
    ),
    ...combined.flatMap(({ schemas, names = [] }) =>
      names.map((name, index) => place({ role: 'branch', path: `(${name})` }, schemas[index])),
    ),
  ];
  return { role, path, schema, constraints, inner };
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

/** A field that is required and not among the properties is an additional one. */
function fieldsOf(schema: JsonObject): [name: string, schema: unknown, isRequired: boolean][] {
  const { properties, required, additionalProperties } = schema;
  const mandatory = new Set(Array.isArray(required) ? required.map(String) : []);
  const fields = new Map(Object.entries(isObject(properties) ? properties : {}));
  return [...new Set([...mandatory, ...fields.keys()])].map((name) => {
    const shown = /^[\w:-]+$/.test(name) ? name : JSON.stringify(name);
    return [shown, fields.get(name) ?? additionalProperties, mandatory.has(name)];
  });
}

function elementsOf(schema: JsonObject): [path: string, schema: unknown][] {
  return Object.entries(elementPaths).flatMap(([keyword, path]) => {
    const { [keyword]: value } = schema;
    const found = Array.isArray(value)
      ? value.map((each, index): [string, unknown] => [`[${index}]`, each])
      : [[path, value] as [string, unknown]];
    return found.filter(([, each]) => isObject(each));
  });
}

/** The schemas that a keyword combines, what they ask for, and the names of branches that can be told apart. */
function combinedBy(keyword: string, { [keyword]: schemas }: JsonObject, open: readonly JsonObject[]) {
  if (!Array.isArray(schemas)) return [];
  const branches = schemas.map((each) => placeOf(each, open));
  const names = keyword === 'allOf' ? undefined : namesOf(branches);
  return [{ keyword, schemas: schemas as unknown[], members: branches.map(withoutSchemas), names }];
}

function withoutSchemas({ path, constraints, inner }: Place): unknown {
  return { path, constraints, inner: inner.map(withoutSchemas) };
}

/** Names branches by a required field whose values differ, as in `table=agents`, by their values, or by their types. */
function namesOf(branches: readonly Place[]): string[] | undefined {
  const fields = (branches[0]?.inner ?? []).filter(({ role }) => role === 'field').map(({ path }) => path);
  const candidates: ((branch: Place) => string[] | undefined)[] = [
    ...fields.map((field) => ({ constraints, inner }: Place) => {
      const found = inner.find(({ path }) => path === field);
      const isTold = constraints['kind'] === 'object' && found?.constraints['required'];
      return isTold ? shownValues(found)?.map((value) => `${field}=${value}`) : undefined;
    }),
    shownValues,
    ({ schema }) => allowedTypes(schema)?.map((type) => (type === 'integer' ? 'number' : type)),
  ];
  return candidates
    .map((namesFor) => branches.map(namesFor))
    .find((names) => !names.includes(undefined) && new Set(names.flat()).size === names.flat().length)
    ?.map((names) => names?.toSorted().join('|') ?? '');
}

function shownValues({ schema }: Place): string[] | undefined {
  return allowedValues(schema)?.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
}
