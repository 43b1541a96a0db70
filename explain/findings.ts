import type { DeadLetters } from '../bridge/dead-letters/list-letters.ts';
import type { HostOfInstance } from '../database/hosts/host-of-instance.ts';
import type { InstanceView } from '../database/instances/view.ts';
import type { RuntimeDescription } from '../runtimes/runtime.ts';
import type { RowVersion } from './event-log.ts';
import type { WorkflowReading } from './workflow.ts';

/** The value that one part of the system returned, or the reason why it could not be read. */
export type Knowledge<Value> = { value: Value } | { missing: string };

/** The host that an instance is placed on. */
export type Host = HostOfInstance & {
  /** Whether it is the host of the caller. */
  isHere: boolean;
};

/** A part for which the caller has no source is undefined. */
export interface Findings {
  instanceId: string;
  database: Knowledge<{ row: InstanceView | undefined; log: RowVersion[] }> | undefined;
  deadLetters: Knowledge<DeadLetters> | undefined;
  workflow: Knowledge<WorkflowReading | undefined> | undefined;
  /** Undefined when the instance is placed on no host, when that could not be read, and when the caller may not see hosts. */
  host: Host | undefined;
  /** What the host of the caller keeps for the instance. */
  runtime: Knowledge<RuntimeDescription | undefined> | undefined;
}

export const partNames = {
  database: 'row and event log',
  deadLetters: 'dead letters',
  workflow: 'workflow',
  runtime: 'runtime',
} as const satisfies Partial<Record<keyof Findings, string>>;

export function valueOf<Value>(part: Knowledge<Value> | undefined): Value | undefined {
  return wasRead(part) ? part.value : undefined;
}

/** Whether the part was read. A part that was read may still know nothing of the instance. */
export function wasRead<Value>(part: Knowledge<Value> | undefined): part is { value: Value } {
  return part !== undefined && 'value' in part;
}

export function missingParts(
  findings: Findings,
): { part: (typeof partNames)[keyof typeof partNames]; reason: string }[] {
  return (Object.keys(partNames) as (keyof typeof partNames)[]).flatMap((key) => {
    const found = findings[key];
    return found && 'missing' in found ? [{ part: partNames[key], reason: found.missing }] : [];
  });
}
