import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';

export interface DocumentInfo {
  title: string;
  description: string;
}

/** Of an answer, beside its `content` in a route's `schema.response`. */
export type ResponseHeaders = Readonly<Record<string, { type: 'string' | 'integer'; description: string }>>;
type Responses = Record<string, { headers?: ResponseHeaders }>;

/** For @fastify/swagger: an OpenAPI 3.1 document that is made of the schemas by which requests and answers are checked. */
export function openApi({ title, description }: DocumentInfo): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: { title, description, version: '1' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      security: [{ token: [] }],
    },
    transform,
    transformObject: (document) => withoutUnused(jsonSchemaTransformObject(document)),
  };
}

const transform: typeof jsonSchemaTransform = (document) => {
  const made = jsonSchemaTransform(document);
  const { route, schema } = document;
  const responses = made.schema.response as Responses | undefined;
  if (made.schema.hide || !responses) return made;
  const declared = schema?.response as Responses;
  for (const [status, response] of Object.entries(responses)) {
    const headers = declared[status]?.headers;
    if (headers) response.headers = headers;
  }
  if (route.config?.access === 'public') {
    delete responses['401'];
    delete responses['403'];
    return { ...made, schema: { ...made.schema, security: [] } };
  }
  return made;
};

const withSchemas = z.looseObject({ components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }) });

/** The registry of schemas is the process's: another document's are in it, too. */
function withoutUnused<Document>(document: Document): Document {
  const { components, ...rest } = withSchemas.parse(document);
  const used = new Set<string>();
  const visit = (part: unknown): void => {
    for (const [, id = ''] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(id)) continue;
      used.add(id);
      visit(components.schemas[id]);
    }
  };
  visit(rest);
  const schemas = Object.fromEntries(Object.entries(components.schemas).filter(([id]) => used.has(id)));
  return { ...rest, components: { ...components, schemas } } as Document;
}
