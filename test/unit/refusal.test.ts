import { expect, test } from 'vitest';
import { explainRefusal } from '../../bridge/bus/refusal.ts';
import { CannotWork, FatalError } from '../../supervision/errors.ts';

const explain = (error: unknown) => explainRefusal(error, 'amqp://user_backend:hunter2@bus.example.com/v');
const closed = (code: number, text: string, classId = 60, methodId = 40) =>
  Object.assign(new Error(`Channel closed by server: ${code} "${text}"`), { code, classId, methodId });

test.each([
  // RabbitMQ 4 names the right.
  ["configure access to exchange 'e' in vhost 'v' refused", 40, 10, 'configure'],
  ["read access to queue 'q' in vhost 'v' refused", 60, 20, 'read'],
  // RabbitMQ 3.10 does not: what was asked for tells.
  ["access to exchange 'e' in vhost 'v' refused", 60, 40, 'write'],
  ["access to queue 'q' in vhost 'v' refused", 60, 20, 'read'],
  ["access to queue 'q' in vhost 'v' refused", 60, 70, 'read'],
  ["access to queue 'q' in vhost 'v' refused", 50, 30, 'read'],
  ["access to queue 'q' in vhost 'v' refused", 50, 20, 'write'],
  ["access to exchange 'e' in vhost 'v' refused", 50, 20, 'read'],
  ["access to queue 'q' in vhost 'v' refused", 50, 10, 'configure'],
  ["access to exchange 'dlx' in vhost 'v' refused", 50, 10, 'write'],
  ["access to queue 'q' in vhost 'v' refused", 50, 40, 'configure'],
])('"%s" by method %i.%i is fatal and names the right: %s', (text, classId, methodId, right) => {
  const error = explain(closed(403, `ACCESS_REFUSED - ${text}`, classId, methodId));
  expect(error).toBeInstanceOf(FatalError);
  const { message } = error as Error;
  expect(message).toMatch(
    new RegExp(`bus\\.example\\.com refuses the right to ${right} to the account user_backend: `),
  );
  expect(message).toMatch(/AMQP_URL; npm run contracts:check -- --accounts/);
  expect(message).not.toContain('hunter2');
});

test.each([
  [404, "NOT_FOUND - no queue 'q' in vhost 'v'", 'event_broker declares it'],
  [405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q'", 'closed a channel'],
  [406, 'PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out', 'closed a channel'],
])('%i is tried again, and is no lost connection', (code, text, words) => {
  const error = explain(closed(code, text));
  expect(error).toBeInstanceOf(CannotWork);
  expect((error as Error).message).toContain(text);
  expect((error as Error).message).toContain(words);
});

test('any other error stays what it is', () => {
  for (const error of [new Error('ECONNREFUSED'), closed(320, 'CONNECTION_FORCED'), 'text', undefined]) {
    expect(explain(error)).toBe(error);
  }
});
