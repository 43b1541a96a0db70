import type { Command } from 'commander';
import { concludeCheck } from '../command-error.ts';
import { parseRuns } from '../options.ts';
import type { ReplayOptions } from '../replay-gate/replay.ts';

export function addReplay(program: Command): void {
  program
    .command('replay')
    .description('replay the histories of a live Temporal with this code, as a gate before a deployment')
    .option('--address <host:port>', "address of Temporal's frontend (default: TEMPORAL_ADDRESS or a profile)")
    .option('--namespace <name>', 'namespace of the workflows (default: TEMPORAL_NAMESPACE or a profile)')
    .option('--query <filter>', 'list filter of Temporal that selects the workflows (default: all)')
    .option('--limit <count>', 'replay at most this many runs', parseRuns)
    .option('--concurrency <count>', 'fetch this many histories at the same time', parseRuns, 8)
    .option('--bundle <file>', 'replay with this bundle of `npm run build` instead of the working tree')
    .addHelpText('after', '\nExit code 0: all replay. 1: at least one does not. 2: it could not be checked.')
    .action((options: ReplayOptions) =>
      concludeCheck(async () => {
        // Loaded here, since Temporal's worker takes longer to load than the other commands need.
        const { replay } = await import('../replay-gate/replay.ts');
        return replay(options);
      }),
    );
}
