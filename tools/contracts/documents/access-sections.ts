import { access, accountNames, permissionsOf } from '../../../contracts/access.ts';
import { table } from './markdown.ts';
import { code } from './words.ts';

const rights = ['configure', 'write', 'read'] as const;

/** A table with a row for each exchange and queue, and a column for each account. */
export function accessTable(): string {
  const names = [...new Set(accountNames.flatMap((account) => rights.flatMap((right) => access[account][right])))];
  return table(
    ['exchange or queue', ...accountNames.map(code)],
    names.map((name) => [
      code(name),
      ...accountNames.map((account) => rights.filter((right) => access[account][right].includes(name)).join(', ')),
    ]),
  );
}

/** The commands that create the agents' account by hand. */
export function agentsAccount(): string {
  const { configure, write, read } = permissionsOf('agents');
  return [
    '```sh',
    'rabbitmqctl add_user agents <password>',
    `rabbitmqctl set_permissions -p <vhost> agents '${configure}' '${write}' '${read}'`,
    '```',
  ].join('\n');
}
