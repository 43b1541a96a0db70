import { exitCodes } from './command-error.ts';
import { runCommand } from './run-command.ts';

// A reader such as `head` that has seen enough is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? 0 : exitCodes.error),
);

process.exitCode = await runCommand(process.argv.slice(2));
