import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { signDevelopmentToken } from '../../backends/http/development-tokens.ts';
import { readCommandLineConfiguration } from '../../configuration/command-line.ts';
import { parseUuid } from '../options.ts';
import { print } from '../terminal.ts';

interface TokenOptions {
  user?: string;
  admin?: true;
}

export function addToken(program: Command): void {
  program
    .command('token')
    .description('make a token for the page and the HTTP interfaces, good for 24 hours; for development')
    .option('--user <uuid>', 'whose it is; a new id when left out', parseUuid)
    .option('--admin', 'of an admin')
    .addHelpText(
      'after',
      `
Signed by JWT_SECRET, which the backends have to have, too.

Example:
  $ curl -H "Authorization: Bearer $(npx instances token)" http://127.0.0.1:27437/v1/me`,
    )
    .action(makeToken);
}

async function makeToken({ user = randomUUID(), admin }: TokenOptions): Promise<void> {
  const settings = readCommandLineConfiguration().tokens();
  print((await signDevelopmentToken(settings, { userId: user, roles: admin ? ['admin'] : [] })) ?? '');
}
