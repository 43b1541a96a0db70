import type { FastifyRequest } from 'fastify';
import { identityOf } from '../http/access.ts';
import type { Writing } from './instance-store.ts';

export function writingOf(request: FastifyRequest): Writing {
  const { traceparent } = request.raw.headers;
  return {
    identity: identityOf(request),
    bodyText: request.bodyText,
    traceparent: typeof traceparent === 'string' ? traceparent : undefined,
  };
}
