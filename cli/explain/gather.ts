import { describe } from '../../bridge/supervise.ts';
import type { RuntimeDescription } from '../../runtimes/runtime.ts';
import { readCommandLineConfiguration } from '../../workers/configuration.ts';
import { withDatabase } from '../database.ts';
import { readInstance, resolveEver, type InstanceView } from '../instances.ts';
import type { IdPrefix } from '../options.ts';
import { withTemporal } from '../temporal.ts';
import { peekDeadLetters, type DeadLetters } from './dead-letters.ts';
import { readLog, type LogEntry } from './event-log.ts';
import { readRuntime } from './runtime.ts';
import { readWorkflow, type WorkflowReading } from './workflow.ts';

/** What one part of the system knows, or why it could not be asked. */
export type Part<Value> = { value: Value } | { missing: string };

export interface Findings {
  instanceId: string;
  database: Part<{ row: InstanceView | undefined; log: LogEntry[] }>;
  deadLetters: Part<DeadLetters>;
  workflow: Part<WorkflowReading | undefined>;
  runtime: Part<RuntimeDescription | undefined>;
}

export const partNames = {
  database: 'row and event log',
  deadLetters: 'dead letters',
  workflow: 'workflow',
  runtime: 'runtime',
} as const satisfies Partial<Record<keyof Findings, string>>;

/**
 * Asks every part of the system, all at once; one that does not answer is missing and hinders no other.
 *
 * @throws CommandError when an abbreviated id fits none or several, or the database that would know cannot be asked
 */
export async function gather(prefix: IdPrefix, last: number): Promise<Findings> {
  const instanceId = prefix.complete ? prefix.text : await withDatabase((client) => resolveEver(client, prefix));
  const configuration = readCommandLineConfiguration();
  const places = () => ({ directory: configuration.runtimeDirectory(), docker: configuration.docker() });
  const [database, deadLetters, workflow, runtime] = await Promise.all([
    part(() =>
      withDatabase(async (client) => ({
        row: await readInstance(client, instanceId),
        log: await readLog(client, instanceId, last),
      })),
    ),
    part(() => peekDeadLetters(configuration.amqpUrl(), instanceId)),
    part(() => withTemporal((client) => readWorkflow(client, instanceId, last))),
    part(() => readRuntime(places(), instanceId)),
  ]);
  const unseen = valueOf(database)?.row?.agent_runtime === 'docker' && configuration.docker() === undefined;
  return { instanceId, database, deadLetters, workflow, runtime: unseen ? { missing: containerUnseen } : runtime };
}

const containerUnseen = 'Its agent is a container: set DOCKER_HOST, as for agents_worker, to look at it.';

async function part<Value>(read: () => Promise<Value>): Promise<Part<Value>> {
  try {
    return { value: await read() };
  } catch (error) {
    return { missing: describe(error) };
  }
}

export function valueOf<Value>(given: Part<Value>): Value | undefined {
  return 'value' in given ? given.value : undefined;
}

/** Whether the row or the workflow could be asked: without both, nothing can be said of an instance. */
export function wasAnswered({ database, workflow }: Findings): boolean {
  return 'value' in database || 'value' in workflow;
}

/** Which parts could not be asked, and why. */
export function missingParts(findings: Findings): { part: string; reason: string }[] {
  return (Object.keys(partNames) as (keyof typeof partNames)[]).flatMap((key) => {
    const found = findings[key];
    return 'missing' in found ? [{ part: partNames[key], reason: found.missing }] : [];
  });
}
