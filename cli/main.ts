import { exitCodes } from './command-error.ts';
import { runCommand } from './run-command.ts';

// A reader such as `head` may close the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? 0 : exitCodes.error),
);

const exitCode = await runCommand(process.argv.slice(2));
// Temporal's native runtime would keep a process alive whose replay has not begun.
process.stdout.write('', () => process.exit(exitCode));
