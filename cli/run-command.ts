import { Command, CommanderError } from 'commander';
import { errorMessage } from '../supervision/errors.ts';
import { findPasswordOnCommandLine } from '../configuration/command-line-passwords.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { commands } from './commands/index.ts';
import { plain } from './plain-text.ts';
import { warn } from './output.ts';

const help = `
The id of an instance may be shortened to its first four characters or more,
as long as no other instance has the same beginning.

The environment names the servers: DATABASE_URL, AMQP_URL, TEMPORAL_ADDRESS,
RUNTIME_DIRECTORY and DOCKER_HOST. Where none of the first three is set, the
commands for instances use the servers of the \`npm start\` in this checkout.

Exit codes: 0 done, 1 not done, 2 wrong usage; with --wait also 3 (the instance
became failed, the rollout was not completed, the build was not promoted) and 4
(timed out).

Examples:
  $ npx instances create heartbeat --config '{"fail_after_ms": 5000}' --wait
  $ npx instances list --status failed
  $ npx instances explain c6077f7e`;

/** Runs one command, e.g. `['list', '--json']`. @returns the exit code */
export async function runCommand(args: readonly string[]): Promise<number> {
  const refusal = findPasswordOnCommandLine(args);
  if (refusal !== undefined) {
    warn(refusal);
    return exitCodes.usage;
  }
  const program = new Command('instances')
    .description('Create, control and explain agent instances.')
    .showHelpAfterError('Run it with --help to see how it is used.')
    .exitOverride()
    .addHelpText('after', help);
  for (const add of commands) add(program);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    if (!(error instanceof CommandError) || error.message !== '') warn(plain(errorMessage(error)));
    return error instanceof CommandError ? error.exitCode : exitCodes.error;
  }
}
