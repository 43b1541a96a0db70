import type { ConsumeMessage } from 'amqplib';
import { expect } from 'vitest';
import { propertyOfHeader } from '../../contracts/envelope.ts';
import { problemsOf } from './published-schemas.ts';

/**
 * Expects a message of this project to be what docs/schemas and docs/event-bus-contracts.md say, and no more.
 * @returns the body
 */
export function expectDocumented(
  { content, properties, fields }: ConsumeMessage,
  { headersSchema, appId }: { headersSchema: string; appId: 'event_broker' | 'agents_worker' },
): Record<string, unknown> {
  const headers = properties.headers ?? {};
  expect(problemsOf(headersSchema, 1, headers)).toEqual([]);
  const { 'cloudEvents:type': type, 'cloudEvents:time': time, schema_version: version } = headers;
  const body = JSON.parse(content.toString('utf8')) as Record<string, unknown>;
  expect(problemsOf(String(type), Number(version), body)).toEqual([]);

  for (const [header, property] of Object.entries(propertyOfHeader)) {
    const name = property.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    expect({ [property]: (properties as unknown as Record<string, unknown>)[name] }).toEqual({
      [property]: headers[header],
    });
  }
  expect(properties).toMatchObject({
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    deliveryMode: 2,
    appId,
    timestamp: Math.floor(Date.parse(String(time)) / 1000),
  });
  expect(fields.redelivered).toBe(false);
  return body;
}
