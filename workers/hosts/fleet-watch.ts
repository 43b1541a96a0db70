import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import {
  beginMove,
  claimFleetWatch,
  endMoves,
  findFreed,
  findMoving,
  findOnLostHosts,
  findOnReturnedHosts,
  findReplaceable,
  removeForgottenHosts,
  type Finding,
} from '../../database/hosts/fleet.ts';
import type { FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { within } from '../../supervision/within.ts';
import type { InstanceMessage } from '../../workflows/messages.ts';
import { hostLimits } from '../services/time-limits.ts';
import type { EngineReadings } from './engine-readings.ts';

export interface FleetWatchOptions {
  pool: Pool;
  workerId: string;
  /** Signals the workflow of an instance, and starts one if none runs. */
  signalInstance: (
    instanceId: string,
    message: InstanceMessage,
    owner?: { agentId: string; userId: string },
  ) => Promise<void>;
  /** The worker that watches the hosts also reads the database for the metrics. */
  readings: EngineReadings;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

/** Signals that are under way at the same time. */
const concurrency = 20;

/**
 * Watches all hosts, one worker at a time, and tells the workflow of each instance what it has to know: that its host is lost, is back, may
 * be replaced, or is drained. What a workflow did not act upon is told again, so no message has to be kept.
 */
export function startFleetWatch(options: FleetWatchOptions): Supervised {
  const { pool, workerId, signalInstance, readings, logger, onFatal } = options;
  const rounds: readonly { find: (pool: Pool) => Promise<Finding[]>; say: (finding: Finding) => InstanceMessage }[] = [
    {
      find: findOnLostHosts,
      say: ({ hostId, hostName }) => ({ type: 'hostLost', hostId, message: `The host ${hostName} is lost.` }),
    },
    { find: findOnReturnedHosts, say: ({ hostId }) => ({ type: 'hostBack', hostId }) },
    { find: findReplaceable, say: ({ hostId }) => ({ type: 'hostReplaceable', hostId }) },
    {
      find: findMoving,
      say: ({ hostId, hostName }) => ({ type: 'moveRequested', hostId, message: `The host ${hostName} is drained.` }),
    },
  ];

  const tell = async (findings: Finding[], say: (finding: Finding) => InstanceMessage): Promise<void> => {
    const inTurn = pLimit(concurrency);
    const tellOne = async (finding: Finding): Promise<void> => {
      const { instanceId, agentId, userId } = finding;
      const owner = agentId === null || userId === null ? undefined : { agentId, userId };
      await signalInstance(instanceId, say(finding), owner);
    };
    await Promise.all(findings.map((finding) => inTurn(() => tellOne(finding))));
  };

  const watch = async (signal: AbortSignal): Promise<void> => {
    await endMoves(pool);
    while (!signal.aborted && (await beginMove(pool))) logger.debug('one more instance is asked to leave its host');
    for (const { find, say } of rounds) {
      for (let found = await find(pool); found.length > 0 && !signal.aborted; found = await find(pool)) {
        await tell(found, say);
      }
    }
    for (const id of await findFreed(pool)) await signalInstance(id, { type: 'checkRequested' });
    for (const { id, name } of await removeForgottenHosts(pool)) {
      logger.info({ host: id }, `the forgotten host ${name} has no instances any more and is removed`);
    }
  };

  const run = async ({ signal, ready }: Session): Promise<void> => {
    let isReady = false;
    try {
      while (!signal.aborted) {
        if (await claimFleetWatch(pool, workerId, hostLimits.watchSeconds)) {
          readings.go();
          await watch(signal);
        } else {
          readings.end();
        }
        if (!isReady) ready();
        isReady = true;
        await delay(hostLimits.watchIntervalMs, undefined, { signal }).catch(() => undefined);
      }
    } finally {
      readings.end();
      // Otherwise the next worker would have to wait for the end of the claim.
      await within(hostLimits.leaveMs / 2, claimFleetWatch(pool, workerId, 0)).catch(() => undefined);
    }
  };
  return supervise({ name: 'fleet_watch', logger, run, onFatal, stopMs: hostLimits.leaveMs });
}
