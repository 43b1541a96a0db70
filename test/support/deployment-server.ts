import { TestWorkflowEnvironment } from '@temporalio/testing';
import pRetry from 'p-retry';
import { toolsDirectory } from '../../stack/paths.ts';
import { findTemporal } from '../../stack/temporal-find.ts';
import * as attributes from '../../workflows/search-attributes.ts';
import { useOpened } from './use-opened.ts';

/**
 * A build that lost its tasks is drained after a second and not after six minutes, and its workers are forgotten after 15 s and not
 * after five minutes. A poll has to be shorter than that, and longer than the registration of a build, which takes seconds.
 */
const quickDrain = [
  'matching.wv.VersionDrainageStatusVisibilityGracePeriod="1s"',
  'matching.wv.VersionDrainageStatusRefreshInterval="1s"',
  'matching.PollerHistoryTTL="15s"',
  'matching.longPollExpirationInterval="10s"',
  ...['transferProcessor', 'timerProcessor', 'visibilityProcessor'].map(
    (processor) => `history.${processor}MaxPollRPS=2000`,
  ),
];

/** Temporal's dev server of the test file's own, on which builds drain quickly. */
export function useDeploymentServer(): TestWorkflowEnvironment {
  return useOpened(openDeploymentServer, (environment) => environment.teardown());
}

export async function openDeploymentServer(): Promise<TestWorkflowEnvironment> {
  const { found: path } = await findTemporal({ toolsDirectory, onProgress: () => undefined });
  const open = () =>
    TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path },
        searchAttributes: Object.values(attributes),
        log: { format: 'pretty', level: 'never' },
        extraArgs: quickDrain.flatMap((setting) => ['--dynamic-config-value', setting]),
      },
    });
  return pRetry(open, { retries: 9, minTimeout: 500, maxTimeout: 2_000, randomize: true });
}
