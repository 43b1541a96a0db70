import type { DeadLetters } from '../bridge/dead-letters/list-letters.ts';
import type { InstanceView } from '../database/instances/view.ts';
import type { RuntimeDescription } from '../runtimes/runtime.ts';
import type { RowVersion } from './event-log.ts';
import type { WorkflowReading } from './workflow.ts';

/** What one part of the system knows, or why it could not be asked. */
export type Knowledge<Value> = { value: Value } | { missing: string };

/** A part that the caller gave no source for is undefined. */
export interface Findings {
  instanceId: string;
  database: Knowledge<{ row: InstanceView | undefined; log: RowVersion[] }> | undefined;
  deadLetters: Knowledge<DeadLetters> | undefined;
  workflow: Knowledge<WorkflowReading | undefined> | undefined;
  runtime: Knowledge<RuntimeDescription | undefined> | undefined;
}

export const partNames = {
  database: 'row and event log',
  deadLetters: 'dead letters',
  workflow: 'workflow',
  runtime: 'runtime',
} as const satisfies Partial<Record<keyof Findings, string>>;

export function valueOf<Value>(part: Knowledge<Value> | undefined): Value | undefined {
  return wasAsked(part) ? part.value : undefined;
}

/** Tells a part that knows nothing from one that could not be asked, or was not to be. */
export function wasAsked<Value>(part: Knowledge<Value> | undefined): part is { value: Value } {
  return part !== undefined && 'value' in part;
}

/** Which parts could not be asked, and why. */
export function missingParts(
  findings: Findings,
): { part: (typeof partNames)[keyof typeof partNames]; reason: string }[] {
  return (Object.keys(partNames) as (keyof typeof partNames)[]).flatMap((key) => {
    const found = findings[key];
    return found && 'missing' in found ? [{ part: partNames[key], reason: found.missing }] : [];
  });
}
