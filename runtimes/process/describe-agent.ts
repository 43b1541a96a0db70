import type { RuntimeDescription } from '../runtime.ts';
import type { InstanceFolder } from './instance-folder.ts';
import { isAlive } from './process-table.ts';

/** Describes an instance by its files and its process. It only reads, so it needs no claim on the instance. */
export async function describeAgent(folder: InstanceFolder): Promise<RuntimeDescription | undefined> {
  const record = await folder.readRecord();
  const since = await folder.recordWrittenAt();
  const output = await folder.output();
  if (!record) return output && { phase: 'ended', output };
  const { runtimeId, generation, process } = record;
  const printed = output && { output };
  if (runtimeId === '') return { phase: 'unknown', ...printed };
  const where = process && { where: `process ${process.pid}` };
  const start = { runtimeId, generation, ...where, ...printed };
  if (process && !isAlive(process)) return { phase: 'ended', ...start };
  return { phase: record.phase, ...start, ...(process && { pid: process.pid }), ...(since && { since }) };
}
