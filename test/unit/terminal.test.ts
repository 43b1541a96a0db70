import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { toTable } from '../../cli/instance-table.ts';
import { clipped, timeFormat, usableWidth, wrap } from '../../cli/terminal.ts';
import { plain, plainLine, toJson } from '../../cli/plain-text.ts';
import type { InstanceView } from '../../database/instances/view.ts';

test('a pipe gets no colours, also where a CI server asks for them', async () => {
  const script = `import { colors } from './cli/terminal.ts'; console.log(colors.bold('failed'))`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    { env: { ...process.env, CI: 'true' } },
  );
  expect(stdout).toBe('failed\n');
});

test.each([
  ['a direction', 'abc\u202Efed', String.raw`abc\u202efed`],
  ['isolates', '\u2066a\u2069', String.raw`\u2066a\u2069`],
  ['an Arabic letter mark', 'a\u061Cb', String.raw`a\u061cb`],
  ['nothing to see', 'a\u200B\u200D\u2060\uFEFFb', String.raw`a\u200b\u200d\u2060\ufeffb`],
  ['a soft hyphen', 'a\u00ADb', String.raw`a\u00adb`],
  ['a filler that is a letter', 'a\u3164\u115Fb', String.raw`a\u3164\u115fb`],
  ['tags beyond the basic plane', 'a\u{E0041}b', String.raw`a\udb40\udc41b`],
  ['separators of lines and paragraphs', 'a\u2028b\u2029c', String.raw`a\u2028b\u2029c`],
  ['half a character', 'a\uD800b', String.raw`a\ud800b`],
  ['controls', 'a\u0000\u0007\u0008\u007Fb', String.raw`a\u0000\u0007\u0008\u007fb`],
  ['controls of eight bits', 'a\u0085\u0090b', String.raw`a\u0085\u0090b`],
  ['a carriage return', 'safe\rfake', String.raw`safe\u000dfake`],
  ['an unfinished sequence', 'a\u001B', String.raw`a\u001b`],
  ['colours, which are left out', '\u001B[31mred\u001B[0m', 'red'],
  ['a tab, which would move what follows', 'a\tb', 'a  b'],
  ['lines', 'a\r\nb\nc', 'a\nb\nc'],
  ['other writing', 'é ü 日本 עברית ❤️ 👍', 'é ü 日本 עברית ❤️ 👍'],
])('text of others with %s cannot deceive whoever reads it', (_what, text, shown) => {
  expect(plain(text)).toBe(shown);
  expect(plainLine(text)).toBe(shown.replaceAll('\n', ' '));
  expect(JSON.parse(toJson({ text }))).toEqual({ text });
  expect(toJson(text)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
});

test('cells of a table hold no line and no tab', () => {
  const instance = {
    id: '11111111-1111-4111-8111-111111111111',
    user_id: '22222222-2222-4222-8222-222222222222',
    agent_id: '33333333-3333-4333-8333-333333333333',
    agent_name: 'a\u202Eb\n\tfake',
    agent_version: '1',
    running_version: null,
    status: 'failed',
    desired_state: 'running',
    generation: 1,
    observed_generation: 1,
    sequence: 1,
    reason: { code: 'x\ny\u2028', message: '' },
    updated_at: new Date(0),
  } as unknown as InstanceView;
  const [, line = '', ...more] = toTable([instance], { formatTime: timeFormat({ utc: true }) });
  expect(more).toEqual([]);
  expect(line).toContain(String.raw`a\u202eb   fake 1`);
  expect(line).toContain(String.raw`x y\u2028`);
});

test.each([
  [undefined, 80],
  [0, 80],
  [-1, 80],
  [Number.NaN, 80],
  [1, 20],
  [79.5, 79],
  [200, 200],
])('a terminal that says it has %s columns is written to as one of %s', (columns, width) => {
  expect(usableWidth(columns)).toBe(width);
});

test.each([0, 1, 2, -5, Number.NaN, 0.5])('text is broken for %s columns, too, and no character is cut', (width) => {
  const lines = wrap('👍👍 a long word', width);
  expect(lines.join('').replaceAll(' ', '')).toBe('👍👍alongword');
  for (const line of lines) expect(line).not.toMatch(/[\uD800-\uDBFF]$|^[\uDC00-\uDFFF]/);
});

test.each([0, 1, 2, 3, -1])('text is clipped to %s characters without half of one', (length) => {
  expect(clipped('👍👍👍', length)).not.toMatch(/[\uD800-\uDBFF]…/);
});
