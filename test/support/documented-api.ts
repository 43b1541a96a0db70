import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { z } from 'zod';

/** An answer over HTTP, of whatever form: tests judge it themselves. */
export interface Answer {
  status: number;
  headers: Headers;
  // Tests read members of many forms.
  body: Record<string, unknown>;
  text: string;
}

export interface CallOptions {
  token?: string | undefined;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is, in the place of `json`. */
  body?: string | Uint8Array;
  headers?: Record<string, string>;
}

export type Call = (method: string, path: string, options?: CallOptions) => Promise<Answer>;

const response = z.object({
  content: z.record(z.string(), z.object({ schema: z.unknown() })).default({}),
  headers: z.record(z.string(), z.unknown()).default({}),
});
const operation = z.looseObject({ operationId: z.string(), responses: z.record(z.string(), response) });
const openApiDocument = z.looseObject({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operation)),
});
export type OpenApiDocument = z.infer<typeof openApiDocument>;

/** Not in every answer of a kind. */
const optionalHeaders = new Set(['idempotency-replayed']);

export async function readDocument(url: string): Promise<OpenApiDocument> {
  return openApiDocument.parse(await (await fetch(`${url}/openapi.json`)).json());
}

/**
 * Calls a backend as any client would, and throws when an answer is not what its OpenAPI document says: the status, the
 * kind of content, its form, its headers.
 */
export async function openDocumentedApi(url: string): Promise<Call> {
  const document = await readDocument(url);
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema(document, 'openapi');
  const templates = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));

  const check = (method: string, path: string, answer: Answer): void => {
    const { status, headers, text } = answer;
    const what = `${method} ${path} answered ${status} ${text.slice(0, 500)}`;
    if (/\bat .*\.[jt]s:\d|node_modules/.test(text)) throw new Error(`${what}: a stack`);
    const template = templates.find(({ pattern }) => pattern.test(path.split('?')[0] ?? ''))?.path ?? '';
    const documented = document.paths[template]?.[method.toLowerCase()];
    const expected = documented?.responses[status];
    const type = headers.get('content-type')?.split(';')[0] ?? '';
    if (!documented) {
      if (status >= 400) validate(`openapi#/components/schemas/Problem`, answer, what);
      return;
    }
    if (!expected) throw new Error(`${what}: the status is not documented`);
    if (!(type in expected.content)) throw new Error(`${what}: ${type} is not documented`);
    const missing = Object.keys(expected.headers).filter((name) => !headers.has(name) && !optionalHeaders.has(name));
    if (missing.length > 0) throw new Error(`${what}: without ${missing.join(', ')}`);
    const steps = ['paths', template, method.toLowerCase(), 'responses', String(status), 'content', type, 'schema'];
    validate(`openapi#/${steps.map(escapeStep).join('/')}`, answer, what);
  };
  const validate = (reference: string, { body }: Answer, what: string): void => {
    const isValid = ajv.getSchema(reference);
    if (!isValid) throw new Error(`${what}: no ${reference}`);
    if (!isValid(body)) throw new Error(`${what}: ${ajv.errorsText(isValid.errors)}`);
  };

  return async (method, path, { token, json, headers = {}, ...options } = {}) => {
    const body = options.body ?? (json === undefined ? undefined : JSON.stringify(json));
    const received = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    });
    const text = await received.text();
    const isJson = received.headers.get('content-type')?.includes('json') ?? false;
    const answer = {
      status: received.status,
      headers: received.headers,
      body: (isJson && text !== '' ? JSON.parse(text) : {}) as Answer['body'],
      text,
    };
    if (method !== 'HEAD' && method !== 'OPTIONS') check(method, path, answer);
    return answer;
  };
}

/** Of a JSON pointer in the fragment of a URI. */
function escapeStep(step: string): string {
  return encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'));
}
