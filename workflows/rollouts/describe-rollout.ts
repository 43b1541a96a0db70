import type { RolloutEffect } from './decide.ts';
import type { RolloutFacts } from './facts.ts';

/** The rollout and its current step in words, for Temporal's Web UI. */
export function describeRollout(facts: RolloutFacts, effect: RolloutEffect): string {
  const { rolloutId, version, status, wave, moved, total, healthy, failed, reverted, reason } = facts;
  return [
    `Rollout \`${rolloutId}\` of the version \`${version}\`: \`${status}\`, wave ${wave}.`,
    `- ${moved} of ${total} instances moved, ${healthy} healthy, ${failed} failed, ${reverted} reverted`,
    `- ${describeStep(facts, effect)}`,
    ...(reason ? [`- \`${reason.code}\`: ${reason.message}`] : []),
  ].join('\n');
}

function describeStep(facts: RolloutFacts, effect: RolloutEffect): string {
  switch (effect.type) {
    case 'watch':
      return facts.awaited > 0 ? `Waiting for ${facts.awaited} instances to become healthy.` : 'Waiting.';
    case 'moveWave':
      return `Moving wave ${effect.wave}: at most ${effect.limit} instances${effect.isCanary ? ' of the canary' : ''}.`;
    case 'record':
      return `Recording the status \`${effect.status}\`.`;
    case 'beginRollback':
      return 'Beginning the rollback.';
    case 'revert':
      return `Rolling back: ${facts.toRevert} instances have yet to get their version back, ${facts.notBack} do not run again yet.`;
    case 'complete':
      return `Making \`${facts.version}\` the stable version.`;
  }
}
