import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromWireHeaders, toWireHeaders, type EventMetadata } from '../../contracts/envelope.ts';
import { desiredStates, eventTypes } from '../../contracts/names.ts';
import { createdMessage } from '../support/events.ts';

const traceparent = fc.stringMatching(/^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/);
const time = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true });

const common = {
  id: fc.uuid(),
  source: fc.string({ minLength: 1 }),
  subject: fc.uuid(),
  time: time.map((date) => date.toISOString()),
  sequence: fc.maxSafeNat().map((number) => Math.max(number, 1)),
  position: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
  schemaVersion: fc.integer({ min: 1 }),
  correlationId: fc.uuid(),
  causationId: fc.option(fc.uuid(), { nil: undefined }),
  traceparent,
};
const instance = fc.record({
  agentId: fc.uuid(),
  userId: fc.uuid(),
  desiredState: fc.constantFrom(...desiredStates),
  generation: fc.integer({ min: 1 }),
  observedGeneration: fc.nat(),
});
const metadata: fc.Arbitrary<EventMetadata> = fc.oneof(
  fc.record({
    ...common,
    type: fc.constantFrom(...eventTypes.filter((type) => type.startsWith('instance.'))),
    instance,
  }),
  fc.record({
    ...common,
    type: fc.constantFrom(...eventTypes.filter((type) => !type.startsWith('instance.'))),
    instance: fc.constant(undefined),
  }),
);

test('what is written into headers is read from them again', () => {
  fc.assert(
    fc.property(metadata, (given) => {
      // The wire has no place for undefined, and a header table has the order of its keys only by chance.
      const wire: unknown = JSON.parse(JSON.stringify(toWireHeaders(given)));
      expect(fromWireHeaders(wire)).toEqual(given);
    }),
  );
});

test('sequences sort as text', () => {
  fc.assert(
    fc.property(metadata, fc.maxSafeNat(), fc.maxSafeNat(), (given, a, b) => {
      const [left, right] = [a, b].map((sequence) => toWireHeaders({ ...given, sequence })['cloudEvents:sequence']);
      expect((left ?? '') < (right ?? '')).toBe(a < b);
    }),
  );
});

test('headers of a foreign client may hold more than the contract asks for', () => {
  const { headers } = createdMessage();
  expect(fromWireHeaders({ ...headers, 'x-delivery-count': 3 })).toEqual(fromWireHeaders(headers));
});

test('an agent event needs none of the headers of an instance, and an instance event all of them', () => {
  const { headers } = createdMessage();
  const { agent_id: _a, user_id: _u, desired_state: _d, generation: _g, observed_generation: _o, ...bare } = headers;
  expect(fromWireHeaders({ ...bare, 'cloudEvents:type': 'agent.retired' }).instance).toBeUndefined();
  expect(() => fromWireHeaders(bare)).toThrow(/agent_id[^]*user_id[^]*desired_state[^]*generation/);
});
