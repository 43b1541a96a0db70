import type { DeploymentEffect } from './decide.ts';
import type { DeploymentFacts } from './facts.ts';

/** The deployment and its current step in words, for Temporal's Web UI. */
export function describeDeployment(facts: DeploymentFacts, effect: DeploymentEffect): string {
  const { deploymentId, buildId, previousBuildId, status, step, percentage, limits, reason } = facts;
  return [
    `Deployment \`${deploymentId}\` of the build \`${buildId}\`: \`${status}\`.`,
    `- Before it: ${previousBuildId === null ? 'workers without a build' : `\`${previousBuildId}\``}`,
    `- Step ${step} of ${limits.steps.length}: ${percentage} % of the instances`,
    `- ${describeEffect(facts, effect)}`,
    ...(reason ? [`- \`${reason.code}\`: ${reason.message}`] : []),
  ].join('\n');
}

function describeEffect(facts: DeploymentFacts, effect: DeploymentEffect): string {
  switch (effect.type) {
    case 'watch':
      return facts.status === 'waiting'
        ? `Waiting for workers of the candidate on ${facts.missing.candidate.join(', ')}.`
        : 'Waiting.';
    case 'record':
      return `Recording the status \`${effect.status}\`.`;
    case 'takeOver':
      return 'Taking the routing over.';
    case 'check':
      return `Checking the candidate before step ${effect.step}.`;
    case 'route':
      return `Routing: ${{ ramp: 'a ramp to the candidate', candidate: 'all to the candidate', previous: 'all to the build before' }[effect.to]}.`;
    case 'observe':
      return `Probing the instances of the candidate for ${Math.round(effect.forSeconds)} s.`;
    case 'heal':
      return 'Making the build before carry on what the candidate carried.';
    case 'retire':
      return 'Deleting builds that are not needed any more.';
  }
}
