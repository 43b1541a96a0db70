import type { Effect } from './decide.ts';
import type { InstanceState } from './state.ts';

/** The current step as a sentence, for Temporal's Web UI. */
export function describeProgress(state: InstanceState, effect: Effect): string {
  switch (effect.type) {
    case 'place':
      return `Finding a host for generation ${effect.generation}.`;
    case 'locate':
      return 'Reading on which host the instance is placed.';
    case 'provision':
      return `Provisioning generation ${effect.generation}${onHost(effect)}.`;
    case 'cleanUp':
      return `Stopping the agent and removing everything that was created for it${onHost(effect)}.`;
    case 'readRow':
      return 'Reading the row.';
    case 'recordStatus':
      return `Recording the status \`${effect.status}\` of generation ${effect.generation}.`;
    case 'recordFinalStatus':
      return 'The row is gone: recording the final status `stopped`.';
    case 'complete':
      return 'The row is gone and nothing is left of the instance.';
    case 'wait':
      return describeRest(state, effect.until);
  }
}

function onHost({ hostId }: { hostId?: string }): string {
  return hostId === undefined ? '' : ` on the host ${hostId}`;
}

function describeRest(state: InstanceState, until?: number): string {
  const { knownRow, obstacle, runtime, recorded, lostHost } = state;
  if (knownRow.kind === 'unknown') return 'Waiting for the first event of the row.';
  if (lostHost) return `Waiting for the host ${lostHost.hostId}: ${lostHost.message}`;
  if (obstacle) {
    const { generation, reason } = obstacle;
    const at = until === undefined ? '' : new Date(until).toISOString();
    if (obstacle.kind === 'stuck') return `Not cleaned up (\`${reason.code}\`): ${reason.message} Next try at ${at}.`;
    const next = at && ` Next start at ${at}.`;
    return `\`${recorded.status}\` in generation ${generation} (\`${reason.code}\`): ${reason.message}${next}`;
  }
  if (runtime.kind === 'running')
    return `Running generation ${runtime.generation}, as runtime ${runtime.runtimeId}${onHost(state)}.`;
  return `At rest: \`${recorded.status}\`.`;
}
