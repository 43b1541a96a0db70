import { expect, test, vi } from 'vitest';
import { runCommand } from '../../cli/run-command.ts';
import { findPasswordOnCommandLine } from '../../configuration/command-line-passwords.ts';

test.for([
  ['postgres://user:hunter2@127.0.0.1/shared_psql'],
  ['postgresql://127.0.0.1/shared_psql?user=me&password=hunter2'],
  ['--config', '{"broker":"amqps://user:hunter2@broker"}'],
  ['--address', 'https://user:hunter2@temporal:7233'],
  ['--amqp-url', 'AMQP://user:hunter2@host'],
  ['--management-url', 'http:user:hunter2@host'],
  ['--management-url=http:/user:hunter2@host'],
])('a password in %j is refused without being repeated', (args) => {
  const refusal = findPasswordOnCommandLine(args);
  expect(refusal).toMatch(/a URL with a password.*(Set|Give)/);
  expect(refusal).not.toContain('hunter2');
});

test.for([
  ['--amqp-url', 'amqp://user@host:5672/vhost'],
  ['--management-url', 'http://host:15672/prefix?who=me@example.com'],
  ['--address', '127.0.0.1:7233'],
  ['--config', '{"mail":"me@example.com","page":"https://example.com:8080/a:b@c"}'],
  ['--expect', '1042:9f2c'],
])('%j has no password', (args) => {
  expect(findPasswordOnCommandLine(args)).toBeUndefined();
});

test('npx instances refuses it as wrong usage, before it does anything', async () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    expect(await runCommand(['create', 'heartbeat', '--config', '{"url":"amqp://u:hunter2@host"}'])).toBe(2);
    expect(written.mock.calls.join('')).toMatch(/--config holds .*--config @FILE/);
  } finally {
    written.mockRestore();
  }
});
