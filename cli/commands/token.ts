import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { signDevelopmentToken } from '../../backends/http/development-tokens.ts';
import { readCommandLineConfiguration } from '../../configuration/command-line.ts';
import { parseUuid } from '../ids.ts';
import { print } from '../output.ts';

interface TokenOptions {
  user?: string;
  admin?: true;
}

export function addToken(program: Command): void {
  program
    .command('token')
    .description('print a token for the page and the HTTP interfaces that is valid for 24 hours, for development')
    .option('--user <uuid>', 'user of the token (default: a new id)', parseUuid)
    .option('--admin', 'give the token the role admin')
    .addHelpText(
      'after',
      `
JWT_SECRET signs the token. The backends need the same secret.

Example:
  $ curl -H "Authorization: Bearer $(npx instances token)" http://127.0.0.1:27437/v1/me`,
    )
    .action(makeToken);
}

async function makeToken({ user = randomUUID(), admin }: TokenOptions): Promise<void> {
  const settings = readCommandLineConfiguration().tokens();
  print((await signDevelopmentToken(settings, { userId: user, roles: admin ? ['admin'] : [] })) ?? '');
}
