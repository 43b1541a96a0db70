import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

/** docs/schemas, as readers in other languages have it: nothing of contracts/ takes part. */
export const schemaFolder = new URL('../../docs/schemas/', import.meta.url);

const ajv = new Ajv({ allErrors: true, strict: false });
formats.default(ajv);
const validators = new Map<string, ValidateFunction>();

/**
 * What is wrong with JSON that this project wrote, by its published schema; nothing when all is well. Readers must ignore
 * fields that they do not know, but whoever writes may write none that the schema does not name.
 */
export function problemsOf(name: string, version: number, json: unknown): string[] {
  const file = `${name}.v${version}.json`;
  const validate = validators.get(file) ?? ajv.compile(closed(readSchema(file)) as object);
  validators.set(file, validate);
  validate(json);
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    [instancePath, message, JSON.stringify(params)].join(' '),
  );
}

/** The schema of a message's headers: all that a reader must know of it beforehand is the domain of its type. */
export function headersSchemaOf(type: string): string {
  return `headers.${type.slice(0, type.indexOf('.'))}_event`;
}

export function readSchema(file: string): object {
  return JSON.parse(readFileSync(new URL(file, schemaFolder), 'utf8')) as object;
}

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const parts = Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, closed(part)]));
  const isOpen = parts['type'] === 'object' && 'properties' in parts && !('additionalProperties' in parts);
  return isOpen ? { ...parts, additionalProperties: false } : parts;
}
