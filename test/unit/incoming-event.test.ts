import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ContractViolation, parseEvent } from '../../bridge/bus/incoming-event.ts';
import { createdMessage, delivered } from '../support/events.ts';

const message = createdMessage();

function violation(parts: { content?: string | Buffer; headers?: object | undefined }): string {
  try {
    parseEvent(delivered({ ...message, ...parts }));
  } catch (error) {
    if (!(error instanceof ContractViolation)) throw error;
    return error.message;
  }
  throw new Error('it was accepted');
}

test('an event of the catalog is read with its body and metadata', () => {
  const event = parseEvent(delivered(message));
  expect(event).toMatchObject({
    type: 'instance.created',
    body: JSON.parse(message.content) as object,
    metadata: { subject: message.headers['cloudEvents:subject'], sequence: 1, instance: { generation: 1 } },
  });
});

test('fields that this version does not know are left out', () => {
  const content = JSON.stringify({ ...(JSON.parse(message.content) as object), added_later: true });
  expect(parseEvent(delivered({ ...message, content })).body).not.toHaveProperty('added_later');
});

describe('a violation names the header', () => {
  test.each(Object.keys(message.headers))('%s when it is missing', (name) => {
    const { [name]: _, ...headers } = message.headers;
    expect(violation({ headers })).toMatch(/^headers: /);
    expect(violation({ headers })).toContain(name);
  });

  test.each([
    ['cloudEvents:specversion', '0.3'],
    ['cloudEvents:id', 'one'],
    ['cloudEvents:source', ''],
    ['cloudEvents:subject', 'instance-1'],
    ['cloudEvents:time', 'yesterday'],
    ['cloudEvents:sequence', '1'],
    ['cloudEvents:sequence', '000000000000000000x'],
    ['cloudEvents:sequence', '0000000000000000000'],
    ['cloudEvents:sequence', '9999999999999999999'],
    ['cloudEvents:correlationid', 7],
    ['cloudEvents:causationid', ''],
    ['cloudEvents:traceparent', '00-0-0-0'],
    ['schema_version', '1'],
    ['schema_version', 0],
    ['agent_id', null],
    ['desired_state', 'paused'],
    ['generation', 0],
    ['generation', 1.5],
    ['observed_generation', -1],
  ])('%s when it is %j', (name, value) => {
    expect(violation({ headers: { ...message.headers, [name]: value } })).toMatch(/^headers: /);
    expect(violation({ headers: { ...message.headers, [name]: value } })).toContain(name);
  });

  test('when there are none at all', () => {
    expect(violation({ headers: undefined })).toMatch(/^headers: .*expected object/i);
  });
});

test.each(['instance.paused', 'toString', '__proto__', 'agent.'])('an unknown type is named: %s', (type) => {
  const headers = { ...message.headers, 'cloudEvents:type': type };
  expect(violation({ headers })).toBe(`unknown event type: ${type}`);
});

test('an unknown version is named, with the one that is read', () => {
  expect(violation({ headers: { ...message.headers, schema_version: 2 } })).toBe(
    'body of instance.created: schema_version 2 is unknown here, where 1 is read: ' +
      'deploy readers of a new version before its writers',
  );
});

describe('a body that is not JSON', () => {
  test.each([
    ['text', 'hello'],
    ['nothing', ''],
    ['cut off', message.content.slice(0, -1)],
    ['not UTF-8', Buffer.from([0xff, 0xfe, 0x00])],
  ])('%s', (_, content) => {
    expect(violation({ content })).toMatch(/^body is not JSON: /);
  });
});

describe('a violation names the field of the body', () => {
  const body = JSON.parse(message.content) as Record<string, unknown>;

  test.each(Object.keys(body))('%s when it is missing', (name) => {
    const { [name]: _, ...rest } = body;
    expect(violation({ content: JSON.stringify(rest) })).toMatch(/^body of instance\.created: /);
    expect(violation({ content: JSON.stringify(rest) })).toContain(name);
  });

  test.each([
    ['instance_id', 'one'],
    ['config', []],
    ['config', null],
    ['created_at', '2025-01-01'],
    ['status', 'running'],
  ])('%s when it is %j', (name, value) => {
    expect(violation({ content: JSON.stringify({ ...body, [name]: value }) })).toContain(name);
  });

  test.each([['null'], ['[]'], ['"instance.created"'], ['7']])('or says that %s is no object', (content) => {
    expect(violation({ content })).toMatch(/^body of instance\.created: .*expected object/i);
  });

  test('when it speaks of another instance than the headers', () => {
    expect(violation({ content: JSON.stringify({ ...body, instance_id: randomUUID() }) })).toContain('instance_id');
  });
});

describe('what a message is called in several places has to agree', () => {
  const body = JSON.parse(message.content) as Record<string, string>;

  test.each<[what: string, change: { fields?: object; properties?: object; content?: object }, says: string]>([
    ['routing key', { fields: { exchange: 'events.topic', routingKey: 'instance.deleted' } }, 'the routing key instance.deleted is not the cloudEvents:type instance.created'], // prettier-ignore
    ['type', { properties: { type: 'instance.updated' } }, 'the property type instance.updated'],
    ['instance', { content: { ...body, instance_id: randomUUID() } }, 'instance_id'],
  ])('%s', (_what, { fields, properties, content }, says) => {
    const given = delivered({ ...message, ...(content && { content: JSON.stringify(content) }) });
    const changed = {
      ...given,
      fields: { ...given.fields, ...fields },
      properties: { ...given.properties, ...properties },
    };
    expect(() => parseEvent(changed)).toThrow(ContractViolation);
    expect(() => parseEvent(changed)).toThrow(says);
  });

  test('a letter that is sent again comes by the name of its queue', () => {
    const given = delivered(message);
    const fields = { ...given.fields, exchange: '', routingKey: 'agents_worker.instance' };
    expect(parseEvent({ ...given, fields }).type).toBe('instance.created');
  });
});
