import { ApplicationFailure } from '@temporalio/activity';
import { provisioningFailureCodes } from '../contracts/names.ts';
import { cleanUpSeconds, startSeconds } from '../metrics/agents.ts';
import type { HostSteps, ProvisionResult, StepContext } from './steps.ts';

/** Counts the starts and the clean-ups on a host, by how they ended. @param runtime the kind of its agents */
export function observeHostSteps(steps: HostSteps, runtime: string): HostSteps {
  return {
    provision: async (input, context) => {
      const end = startSeconds.startTimer({ runtime });
      try {
        const result = await steps.provision(input, context);
        end({ outcome: outcomeOf(result) });
        return result;
      } catch (error) {
        end({ outcome: failureOf(error, context) });
        throw error;
      }
    },
    cleanUp: async (input, context) => {
      const end = cleanUpSeconds.startTimer({ runtime });
      try {
        await steps.cleanUp(input, context);
        end({ outcome: 'cleaned_up' });
      } catch (error) {
        end({ outcome: context.signal.aborted ? 'cancelled' : 'failed' });
        throw error;
      }
    },
  };
}

function outcomeOf({ outcome }: ProvisionResult): string {
  switch (outcome) {
    case 'provisioned':
      return 'provisioned';
    case 'agentMissing':
      return 'agent_unknown';
    case 'notWanted':
    case 'misplaced':
    case 'gone':
      return 'not_wanted';
  }
}

function failureOf(error: unknown, { signal }: StepContext): string {
  if (signal.aborted) return 'cancelled';
  const type = error instanceof ApplicationFailure ? error.type : undefined;
  return provisioningFailureCodes.find((code) => code === type) ?? 'unavailable';
}
