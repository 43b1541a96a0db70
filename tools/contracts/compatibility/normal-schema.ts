import { isObject, type JsonObject } from './change.ts';
import { isProse } from './keyword-rules.ts';

/** A schema whose references are followed, and in which null and nesting have one spelling. */
export interface NormalSchema {
  /** With the annotations of every reference to it. */
  schema: JsonObject;
  /** Whether null is valid besides what `schema` describes. */
  nullable: boolean;
  /** The document, then each schema that a reference led to. */
  open: readonly JsonObject[];
  /** How many references above this place the same schema stands; undefined where it does not contain itself. */
  recursion?: number;
}

export function normalized(given: unknown, open: readonly JsonObject[], nullable = false): NormalSchema {
  const schema = asSchema(given);
  const sole = soleKeyword(schema);
  if (sole === '$ref') {
    const target = targetOf(schema['$ref'], open[0]);
    if (target !== undefined && open.includes(target)) {
      return { schema: {}, nullable, open, recursion: open.length - open.indexOf(target) };
    }
    if (target !== undefined) return normalized(annotated(target, schema), [...open, target], nullable);
  }
  const { allOf } = schema;
  if (sole === 'allOf' && Array.isArray(allOf) && allOf.length === 1) {
    return normalized(annotated(asSchema(allOf[0]), schema), open, nullable);
  }
  const rest = withoutNull(schema);
  return rest === undefined ? { schema, nullable, open } : normalized(rest, open, true);
}

/** The values that `const` or `enum` allows; undefined when the schema allows any. */
export function allowedValues({ const: only, enum: several }: JsonObject): unknown[] | undefined {
  if (only !== undefined) return [only];
  return Array.isArray(several) ? several : undefined;
}

/** The types that the schema allows, sorted; undefined when it allows any. */
export function allowedTypes({ type }: JsonObject): string[] | undefined {
  return type === undefined ? undefined : [type].flat().map(String).toSorted();
}

function asSchema(given: unknown): JsonObject {
  if (given === false) return { not: {} };
  return isObject(given) ? given : {};
}

/** The keyword of a schema that has one alone besides annotations. */
function soleKeyword(schema: JsonObject): string | undefined {
  const keywords = Object.keys(schema).filter((keyword) => !isAnnotation(keyword));
  return keywords.length === 1 ? keywords[0] : undefined;
}

/** Undefined when null is not valid, or cannot be taken out. */
function withoutNull(schema: JsonObject): JsonObject | undefined {
  const { type, anyOf } = schema;
  if (Array.isArray(type) && type.includes('null') && type.length > 1 && allowedValues(schema) === undefined) {
    return { ...schema, type: type.filter((each) => each !== 'null') };
  }
  if (!Array.isArray(anyOf) || soleKeyword(schema) !== 'anyOf') return undefined;
  const others = anyOf.filter((branch) => !isNull(branch)).map(asSchema);
  const [first] = others;
  if (first === undefined || others.length === anyOf.length) return undefined;
  if (others.length > 1) return annotated({ anyOf: others }, schema);
  // The default of a branch is not a default of the field.
  return 'default' in first ? undefined : annotated(first, schema);
}

function isNull(branch: unknown): boolean {
  return isObject(branch) && branch['type'] === 'null' && Object.keys(branch).length === 1;
}

function annotated(inner: JsonObject, outer: JsonObject): JsonObject {
  return { ...inner, ...Object.fromEntries(Object.entries(outer).filter(([keyword]) => isAnnotation(keyword))) };
}

function isAnnotation(keyword: string): boolean {
  return isProse(keyword) || ['default', '$schema', 'definitions', '$defs'].includes(keyword);
}

/** Undefined for a reference to another document, or to nothing. */
function targetOf(pointer: unknown, document: unknown): JsonObject | undefined {
  if (typeof pointer !== 'string' || !pointer.startsWith('#')) return undefined;
  let found = document;
  for (const part of pointer.split('/').slice(1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    found = isObject(found) || Array.isArray(found) ? Reflect.get(found, key) : undefined;
  }
  return found === undefined ? undefined : asSchema(found);
}
