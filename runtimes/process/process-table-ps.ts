import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { MarkedProcess, ProcessEntry } from './process-entry.ts';

/** The columns for systems without /proc, such as macOS. Start times have a resolution of one second there. */
export const psColumns = 'pid=,pgid=,stat=,lstart=,command=';
const line = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s*(.*)$/;
/** `ps` prints times in the language and time zone of its environment, which must be the same for every call. */
export const psEnvironment = { LC_ALL: 'C', TZ: 'UTC', PATH: '/bin:/usr/bin' };

export function inspectByPs(pid: number): ProcessEntry | undefined {
  const { stdout, error } = spawnSync('ps', ['-o', psColumns, '-p', String(pid)], {
    env: psEnvironment,
    encoding: 'utf8',
  });
  if (error) throw error;
  return readPsEntry(pid, stdout);
}

/** Reads the line of `ps` for one process. Undefined when it has none. */
export function readPsEntry(pid: number, stdout: string): ProcessEntry | undefined {
  const parsed = parse(stdout.trim());
  return parsed && { pid, startedAt: parsed.startedAt, group: parsed.group, zombie: parsed.zombie };
}

export async function listByPs(): Promise<MarkedProcess[]> {
  const { stdout } = await promisify(execFile)('ps', ['axeww', '-o', psColumns], {
    env: psEnvironment,
    maxBuffer: 256 * 2 ** 20,
  });
  return stdout
    .split('\n')
    .map(parse)
    .filter((entry) => entry !== undefined)
    .filter(({ zombie }) => !zombie);
}

function parse(text: string): MarkedProcess | undefined {
  const [, pid, group, state, startedAt, command] = line.exec(text) ?? [];
  if (!pid || !group || !state || !startedAt) return undefined;
  const entry = { pid: Number(pid), group: Number(group), startedAt, zombie: state.startsWith('Z') };
  const instanceName = / INSTANCE_NAME=(\S+)/.exec(command ?? '')?.[1];
  const instanceFolder = / INSTANCE_CONFIG_FILE=(.*?)\/config\.json(?: |$)/.exec(command ?? '')?.[1];
  return {
    ...entry,
    ...(instanceName !== undefined && { instanceName }),
    ...(instanceFolder !== undefined && { instanceFolder }),
  };
}
