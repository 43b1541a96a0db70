import type { ConsumeMessage } from 'amqplib';
import { openAmqp } from '../bridge/bus/connection.ts';
import { ContractViolation, parseEvent, type IncomingEvent } from '../bridge/bus/incoming-event.ts';
import { watchEvents } from '../bridge/bus/watch-events.ts';
import { until } from './until.ts';

export interface Life {
  /** Resolves when the bus, from the call of `printLife` on, has said that the instance is running. */
  untilRunning(instanceId: string): Promise<void>;
  close(): Promise<void>;
}

/** Prints every event of the bus as it arrives, from a queue of its own that goes with the connection. */
export async function printLife(amqpUrl: string, say: (line: string) => void): Promise<Life> {
  const running = new Set<string>();
  const amqp = await openAmqp({ amqpUrl, connectionName: 'npm start' });
  const channel = await amqp.openChannel();
  await watchEvents({
    channel,
    keys: ['instance.*', 'agent.*', 'rollout.*'],
    onMessage: (message) => {
      const event = readEvent(message);
      if (!event) return;
      say(`  ${event.metadata.time}  ${event.type.padEnd(16)} ${event.metadata.subject}  ${outline(event)}`);
      if (event.type !== 'instance.updated') return;
      if (event.body.status === 'running') running.add(event.body.instance_id);
    },
  });
  return {
    untilRunning: async (id) => void (await until(() => running.has(id))),
    close: () => amqp.close(),
  };
}

/** Undefined for what others put onto the bus that is no event: it is not for this page to judge. */
function readEvent(message: ConsumeMessage): IncomingEvent | undefined {
  try {
    return parseEvent(message);
  } catch (error) {
    if (error instanceof ContractViolation) return undefined;
    throw error;
  }
}

function outline(event: IncomingEvent): string {
  switch (event.type) {
    case 'instance.created':
      return event.body.status;
    case 'instance.updated': {
      const reason = event.body.metadata?.['status_reason'] as { code: string; message: string } | undefined;
      return reason ? `${event.body.status} (${reason.code}: ${reason.message})` : event.body.status;
    }
    case 'instance.deleted':
      return '';
    case 'agent.published':
      return `${event.body.name} ${event.body.version}`;
    case 'agent.retired':
      return event.body.retired_at;
    case 'rollout.requested':
      return event.body.version;
    case 'rollout.updated':
      return `${event.body.status}: ${event.body.healthy} of ${event.body.total} healthy`;
    case 'rollout.completed':
      return `${event.body.healthy} of ${event.body.total} healthy`;
    case 'rollout.rolled_back':
    case 'deployment.rolled_back':
      return `${event.body.reason.code}: ${event.body.reason.message}`;
    case 'deployment.requested':
    case 'deployment.promoted':
      return event.body.build_id;
    case 'deployment.updated':
      return `${event.body.status}: build ${event.body.build_id} at ${event.body.percentage} %`;
  }
}
