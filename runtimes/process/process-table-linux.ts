import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { MarkedProcess, ProcessEntry } from './process-entry.ts';

/** After this many processes, a scan lets other work have its turn. One batch takes about a millisecond. */
const scanBatch = 64;

let bootId: string | undefined;

/** Reads /proc/<pid>/stat. Undefined when there is no such process. */
export function inspectBySystemFiles(pid: number): ProcessEntry | undefined {
  const stat = read(`/proc/${pid}/stat`)?.toString('latin1');
  if (stat === undefined) return undefined;
  // The second field is the command in parentheses, which may contain parentheses. Fields are numbered as in proc(5).
  const fromThirdField = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): string => fromThirdField[number - 3] ?? '';
  // The start time is counted from the boot, so it identifies a process only together with the boot.
  bootId ??= read('/proc/sys/kernel/random/boot_id')?.toString('latin1').slice(0, 8) ?? 'unknown';
  return { pid, startedAt: `${field(22)}-${bootId}`, group: Number(field(5)), zombie: 'ZXx'.includes(field(3)) };
}

export async function listBySystemFiles(): Promise<MarkedProcess[]> {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  const found: MarkedProcess[] = [];
  for (const [index, pid] of pids.entries()) {
    if (index % scanBatch === scanBatch - 1) await setImmediate();
    const entry = inspectBySystemFiles(pid);
    if (!entry || entry.zombie) continue;
    const instanceName = instanceNameOf(pid);
    const uid = userOf(pid);
    found.push({ ...entry, ...(instanceName !== undefined && { instanceName }), ...(uid !== undefined && { uid }) });
  }
  return found;
}

function instanceNameOf(pid: number): string | undefined {
  const variable = 'INSTANCE_NAME=';
  // The environment of other users' processes is unreadable, and no agent is among those.
  const environment = read(`/proc/${pid}/environ`)?.toString('latin1').split('\0');
  return environment?.find((entry) => entry.startsWith(variable))?.slice(variable.length);
}

function userOf(pid: number): number | undefined {
  const real = /^Uid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`)?.toString('latin1') ?? '')?.[1];
  return real === undefined ? undefined : Number(real);
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
