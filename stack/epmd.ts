import { once } from 'node:events';
import { connect } from 'node:net';
import { until } from './until.ts';

/** KILL_REQ: https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html#kill_req */
const killRequest = Buffer.from([0, 1, 'k'.charCodeAt(0)]);

/**
 * Ends the Erlang port mapper on this port of 127.0.0.1, once no node is registered with it: it refuses as long as one is.
 * Nothing happens when none is there.
 */
export async function endEpmd(port: number): Promise<void> {
  // It may take a moment to notice that its node has ended.
  await until(async () => !(await requestEnd(port)), 5_000);
}

/** True when something listened. */
async function requestEnd(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.resume().end(killRequest);
    await once(socket, 'close');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
