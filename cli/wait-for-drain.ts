import type { Client } from 'pg';
import { hostToJson } from '../database/hosts/host-json.ts';
import { listHosts } from '../database/hosts/hosts.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { drainInWords } from './host-table.ts';
import { warn } from './output.ts';
import { poll } from './wait.ts';

interface WaitForDrain {
  client: Client;
  id: string;
  name: string;
  /** Without a limit if it is undefined. */
  timeoutSeconds?: number | undefined;
}

/** Tells the progress of a drain until nothing is left. @throws CommandError when somebody ends the drain, or the time is over */
export async function untilDrained({ client, id, name, timeoutSeconds = Infinity }: WaitForDrain): Promise<void> {
  let told = '';
  const done = await poll(timeoutSeconds, async () => {
    const found = (await listHosts(client)).find((host) => host.id === id);
    if (!found) throw new CommandError(`The host ${name} was forgotten meanwhile.`);
    const host = hostToJson(found);
    if (!host.drain) throw new CommandError(`Somebody ended the drain of the host ${name}.`);
    const progress = `${drainInWords(host)}${host.lease.holds ? '' : '; the host is lost, so nothing moves'}`;
    if (progress !== told) warn(`${name}: ${progress}.`);
    told = progress;
    return host.drain.left === 0;
  });
  if (!done) {
    const sentence = `The host ${name} is not drained after ${timeoutSeconds} s: ${told}. The drain goes on.`;
    throw new CommandError(sentence, { exitCode: exitCodes.timedOut });
  }
}
