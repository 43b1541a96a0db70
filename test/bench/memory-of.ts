import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The resident memory of a process, sampled each second into `samples`, in MiB. */
export function sampleMemory(pid: number): { samples: number[]; end: () => void } {
  const samples: number[] = [];
  const timer = setInterval(() => {
    run('ps', ['-o', 'rss=', '-p', String(pid)])
      .then(({ stdout }) => samples.push(Number(stdout) / 1024))
      .catch(() => undefined);
  }, 1_000);
  return { samples, end: () => clearInterval(timer) };
}
