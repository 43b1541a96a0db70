import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Each agent takes a lock that all hosts share and keeps it until it has ended. One that finds the lock taken says so: then two agents
 * of an instance ran at the same moment, and no look at the list of processes could have missed it.
 */
const script = `exec 9>>"$LOCKS/$INSTANCE_ID.lock"
flock --nonblock 9 || echo "$INSTANCE_ID in $INSTANCE_CONFIG_FILE" >> "$LOCKS/doubles"
echo "$INSTANCE_ID" >> "$LOCKS/starts"
exec sleep 100000`;

export const lockingAgent = (locks: string, others: object = {}): object => ({
  command: ['sh', '-c', script],
  environment: { LOCKS: locks },
  stop_grace_seconds: 2,
  ...others,
});

/** A line for every agent that started while another one of its instance ran. */
export async function readDoubles(locks: string): Promise<string[]> {
  const text = await readFile(join(locks, 'doubles'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

/** The instances for which the folder of a host keeps anything. */
export async function keptIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory);
  return entries.flatMap((entry) => (entry.startsWith('instance-') ? [entry.slice('instance-'.length)] : []));
}
