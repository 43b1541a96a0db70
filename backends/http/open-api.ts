import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifySchema } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';

export interface DocumentInfo {
  title: string;
  description: string;
}

/** Documented headers of an answer. They stand beside `content` in the `schema.response` of a route. */
export type ResponseHeaders = Readonly<Record<string, { type: 'string' | 'integer'; description: string }>>;
type Responses = Record<string, { headers?: ResponseHeaders }>;

/** Options of @fastify/swagger for an OpenAPI 3.1 document, generated from the schemas that validate requests and answers. */
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

/** Names a route for programs and for people, besides its schemas. */
export function describeRoute<Schemas extends FastifySchema>(operationId: string, summary: string, schemas: Schemas) {
  return { operationId, summary, ...schemas };
}

/** The routes of a document are grouped by the part of their path after the version, e.g. `dead letters`. */
const tagOf = (url: string): string => url.replace(/^\/v\d+\/([^/]+).*/, '$1').replaceAll('-', ' ');

const transform: typeof jsonSchemaTransform = (document) => {
  const { route, schema, url } = document;
  const transformed = jsonSchemaTransform(document);
  const made = { ...transformed, schema: { tags: [tagOf(url)], ...transformed.schema } };
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

/** Removes unused schemas: zod has one registry per process, which also holds those of other documents. */
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
