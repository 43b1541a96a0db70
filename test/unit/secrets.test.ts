import { describe, expect, test } from 'vitest';
import { lastLines } from '../../runtimes/last-output.ts';
import { maskSecrets, secretsOf } from '../../runtimes/secrets.ts';

const secrets = secretsOf({
  environment: {
    API_TOKEN: 'token-0123456789',
    DATABASE_URL: 'postgres://agent:p%40ssword-of-it@host/db',
    PRIVATE_KEY: '-----BEGIN-----\nline-one-of-the-key\nline-two-of-the-key',
    LEVEL: 'debug',
  },
  config: {
    api_key: 'say "token-0123456789"',
    accounts: [{ password: 'correct horse' }],
    interval_ms: 987_654_321,
    'with space': 'battery staple',
  },
});

describe('what an agent printed of its secrets', () => {
  test.each([
    ['a variable', 'refused: token-0123456789!', 'refused: [$API_TOKEN]!'],
    ['one that is there twice', 'token-0123456789token-0123456789', '[$API_TOKEN][$API_TOKEN]'],
    ['a text that holds another one', 'say "token-0123456789"', '[config.api_key]'],
    ['a text as JSON has it', String.raw`{"k":"say \"token-0123456789\""}`, '{"k":"[config.api_key]"}'],
    ['a URL', 'connecting to postgres://agent:p%40ssword-of-it@host/db', 'connecting to [$DATABASE_URL]'],
    ['the password of a URL alone', 'p%40ssword-of-it p@ssword-of-it', '[$DATABASE_URL] [$DATABASE_URL]'],
    ['a line of several', 'key: line-two-of-the-key', 'key: [$PRIVATE_KEY]'],
    ['a text deep in the config', 'correct horse battery staple', '[config.accounts.0.password] [config.with space]'],
    ['one whose beginning was cut off', '-0123456789 and more', '[$API_TOKEN] and more'],
  ])('is named in its place: %s', (_, printed, shown) => {
    expect(maskSecrets(printed, secrets)).toBe(shown);
  });

  test.each(['debug', '987654321', '0123456 789', '456789 and more', ''])(
    'is left as it is where it may be anything: %j',
    (printed) => expect(maskSecrets(printed, secrets)).toBe(printed),
  );

  test('is not pieced together by what is taken out of the output', () => {
    expect(lastLines('token-\u001B[31m0123\u0000456789', secrets)).toBe('[$API_TOKEN]');
  });

  test('does not put patterns of a replacement into the output', () => {
    expect(maskSecrets('12345678', secretsOf({ environment: { "$&$'": '12345678' }, config: {} }))).toBe("[$$&$']");
  });
});
