import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import type { IncomingEvent } from '../../bridge/bus/incoming-event.ts';
import { watchAcceptance } from '../../bridge/signals/acceptance.ts';
import { createInstanceRouter } from '../../bridge/signals/instance-router.ts';

/** The insertion of a row. */
function inserted(): IncomingEvent {
  const subject = randomUUID();
  const instance = {
    agentId: randomUUID(),
    userId: randomUUID(),
    desiredState: 'running',
    generation: 1,
    observedGeneration: 0,
  } as const;
  return {
    type: 'instance.created',
    metadata: { subject, instance, sequence: 1, id: randomUUID(), correlationId: randomUUID(), traceparent: '' },
  } as unknown as IncomingEvent;
}

test('a signal that waits for its turn is not sent after its message was given back', async () => {
  const acceptance = watchAcceptance({ namespace: 'one', logger: pino({ level: 'silent' }) });
  const accepting = new AbortController();
  const accepted = once(accepting.signal, 'abort');
  const signalOrStart = vi.fn<() => Promise<void>>(async () => void (await accepted));
  const route = createInstanceRouter({ workflows: { signalOrStart }, acceptance });
  const stop = new AbortController();
  const events = Array.from({ length: 64 }, inserted);
  const routed = Promise.allSettled(events.map(async (event) => route(event, stop.signal)));
  const atOnce = await vi.waitUntil(() => signalOrStart.mock.calls.length);
  stop.abort(new Error('stopped'));
  accepting.abort();
  const statuses = (await routed).map(({ status }) => status);
  expect(atOnce).toBeLessThan(events.length);
  expect(signalOrStart).toHaveBeenCalledTimes(atOnce);
  expect(statuses.filter((status) => status === 'fulfilled')).toHaveLength(atOnce);
});
