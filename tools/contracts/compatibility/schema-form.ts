import type { JsonObject } from './change.ts';

/** Keywords that say nothing about what is valid. */
export const proseKeywords = new Set(['$id', '$comment', 'title', 'description', 'examples', 'deprecated']);

/** A schema in the one form in which two are compared. */
export interface SchemaForm {
  /** `null` is taken besides what `schema` describes. */
  nullable: boolean;
  schema: JsonObject;
}

/** Brings the ways in which zod writes references and nullable schemas to one. */
export function formOf(given: unknown, root: JsonObject): SchemaForm {
  let schema = asSchema(given);
  let nullable = false;
  for (const seen = new Set<unknown>(); ;) {
    const inner = onlyPart(schema, root);
    if (inner !== undefined && !seen.has(inner)) {
      seen.add(inner);
      schema = annotated(inner, schema);
      continue;
    }
    const rest = withoutNull(schema);
    if (rest === undefined) return { nullable, schema };
    nullable = true;
    schema = rest;
  }
}

export function asSchema(given: unknown): JsonObject {
  if (given === false) return { not: {} };
  return isObject(given) ? given : {};
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The values of `const` or `enum`; undefined where any value is taken. */
export function valuesOf({ const: only, enum: several }: JsonObject): unknown[] | undefined {
  if (only !== undefined) return [only];
  return Array.isArray(several) ? several : undefined;
}

/** Sorted; undefined where any type is taken. */
export function typesOf({ type }: JsonObject): string[] | undefined {
  if (type === undefined) return undefined;
  return [type].flat().map(String).toSorted();
}

/** The text of an unjudged keyword's value, with what its references lead to. */
export function expanded(value: unknown, root: JsonObject, open: readonly string[] = []): unknown {
  if (Array.isArray(value)) return value.map((each) => expanded(each, root, open));
  if (!isObject(value)) return value;
  const { $ref: pointer, ...rest } = value;
  const target = typeof pointer === 'string' && !open.includes(pointer) ? targetOf(pointer, root) : undefined;
  const parts = target === undefined ? value : { ...rest, $ref: [pointer, target] };
  const inside = target === undefined ? open : [...open, String(pointer)];
  return Object.fromEntries(Object.entries(parts).map(([key, part]) => [key, expanded(part, root, inside)]));
}

/** What stands behind a reference or an `allOf` of one, beside which nothing else is asked for. */
function onlyPart(schema: JsonObject, root: JsonObject): JsonObject | undefined {
  const { $ref: pointer, allOf } = schema;
  if (Object.keys(schema).filter((keyword) => !isAnnotation(keyword)).length !== 1) return undefined;
  if (typeof pointer === 'string') return targetOf(pointer, root);
  return Array.isArray(allOf) && allOf.length === 1 ? asSchema(allOf[0]) : undefined;
}

function withoutNull(schema: JsonObject): JsonObject | undefined {
  const { type, anyOf } = schema;
  if (Array.isArray(type) && type.includes('null') && type.length > 1 && valuesOf(schema) === undefined) {
    const others = type.filter((each) => each !== 'null');
    return { ...schema, type: others.length === 1 ? others[0] : others };
  }
  if (!Array.isArray(anyOf) || !Object.keys(schema).every((keyword) => keyword === 'anyOf' || isAnnotation(keyword))) {
    return undefined;
  }
  const others = anyOf.filter((branch) => !isNull(branch)).map(asSchema);
  const [first] = others;
  if (first === undefined || others.length === anyOf.length) return undefined;
  if (others.length > 1) return { ...annotations(schema), anyOf: others };
  // A default in a branch is not one of the field.
  return 'default' in first ? undefined : annotated(first, schema);
}

function isNull(branch: unknown): boolean {
  return isObject(branch) && branch['type'] === 'null' && Object.keys(branch).length === 1;
}

/** The same object where there is nothing to add, so that a schema that refers to itself is found again. */
function annotated(inner: JsonObject, outer: JsonObject): JsonObject {
  const added = annotations(outer);
  return Object.keys(added).length === 0 ? inner : { ...inner, ...added };
}

function annotations(schema: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => isAnnotation(keyword)));
}

function isAnnotation(keyword: string): boolean {
  return proseKeywords.has(keyword) || ['default', '$schema', 'definitions', '$defs'].includes(keyword);
}

/** Undefined for what is not in this document. */
function targetOf(pointer: string, root: JsonObject): JsonObject | undefined {
  if (!pointer.startsWith('#')) return undefined;
  let found: unknown = root;
  for (const part of pointer.split('/').slice(1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    found = isObject(found) || Array.isArray(found) ? Reflect.get(found, key) : undefined;
  }
  return found === undefined ? undefined : asSchema(found);
}
