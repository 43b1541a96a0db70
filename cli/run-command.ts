import { Command, CommanderError } from 'commander';
import { errorMessage } from '../supervision/errors.ts';
import { findPasswordOnCommandLine } from '../configuration/command-line-passwords.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { addAudit } from './commands/audit.ts';
import { addChanges } from './commands/change.ts';
import { addCreate } from './commands/create.ts';
import { addDeadLetters } from './commands/dead-letters.ts';
import { addExplain } from './commands/explain.ts';
import { addList } from './commands/list.ts';
import { addToken } from './commands/token.ts';
import { addWatch } from './commands/watch.ts';
import { plain, warn } from './terminal.ts';

const help = `
Ids may be shortened to their first four characters or more, as long as they
fit one instance.

Servers come from DATABASE_URL, AMQP_URL, TEMPORAL_ADDRESS, RUNTIME_DIRECTORY
and DOCKER_HOST; where none of the first three is set, from the \`npm start\`
that runs in this checkout.

Exit codes: 0 done, 1 not done, 2 wrong usage; with --wait also 3 (the instance
became failed) and 4 (timed out).

Examples:
  $ npx instances create heartbeat --config '{"fail_after_ms": 5000}' --wait
  $ npx instances list --status failed
  $ npx instances explain c6077f7e`;

/** One command, e.g. `['list', '--json']`. @returns the exit code */
export async function runCommand(args: readonly string[]): Promise<number> {
  const refusal = findPasswordOnCommandLine(args);
  if (refusal !== undefined) {
    warn(refusal);
    return exitCodes.usage;
  }
  const program = new Command('instances')
    .description('Create, steer and explain agent instances.')
    .showHelpAfterError('Run it with --help to see how it is used.')
    .exitOverride()
    .addHelpText('after', help);
  for (const add of [addCreate, addList, addChanges, addWatch, addExplain, addDeadLetters, addAudit, addToken])
    add(program);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    warn(plain(errorMessage(error)));
    return error instanceof CommandError ? error.exitCode : exitCodes.error;
  }
}
