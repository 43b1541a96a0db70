import type { JsonSchema } from './json-schemas.ts';

export interface Field {
  name: string;
  mandatory: boolean;
  /** e.g. `UUID`, `` `pending` or `running` ``, `list of texts`. */
  type: string;
  description: string;
}

/** The fields of an object, in the order of the schema. */
export function fieldsOf({ properties = {}, required = [] }: JsonSchema): Field[] {
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    mandatory: required.includes(name),
    type: typeOf(schema as JsonSchema, name),
    description: (schema as JsonSchema).description ?? '',
  }));
}

/** The branches of a schema, each with the values that distinguish it, as in `` `table` is `agents` ``. */
export function branchesOf({ oneOf = [] }: JsonSchema): { when: string; schema: JsonSchema }[] {
  return oneOf.map((schema) => {
    const consts = Object.entries(schema.properties ?? {}).filter(([name]) => isTold(oneOf, name));
    return {
      when: consts.map(([name, value]) => `${code(name)} is ${typeOf(value as JsonSchema)}`).join(', '),
      schema,
    };
  });
}

function isTold(branches: JsonSchema[], name: string): boolean {
  const values = branches.map(({ properties = {} }) => (properties[name] as JsonSchema | undefined)?.const);
  return new Set(values).size === branches.length;
}

export function code(text: unknown): string {
  return `\`${String(text)}\``;
}

/** @throws Error for a kind of schema that it cannot describe yet */
function typeOf(schema: JsonSchema, field = ''): string {
  const { type, format, items, anyOf, properties } = schema;
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum) return schema.enum.map(code).join(', ');
  if (anyOf) return anyOf.map((each) => typeOf(each, field)).join(' or ');
  if (Array.isArray(type)) return type.map((each) => typeOf({ ...schema, type: each }, field)).join(' or ');
  if (type === 'string') return { uuid: 'UUID', 'date-time': 'time' }[format ?? ''] ?? 'text';
  if (type === 'integer') return schema.minimum === 0 ? 'integer, 0 or more' : 'integer, 1 or more';
  if (type === 'array') return `list of ${typeOf(items as JsonSchema, field)}s`;
  if (type === 'object' && properties) return Object.keys(properties).map(code).join(', ');
  if (type === 'boolean' || type === 'object' || type === 'null' || type === 'number') return type;
  throw new Error(
    `tools/contracts/documents/words.ts has no words for the field ${field} yet: ${JSON.stringify(schema)}`,
  );
}
