import { expect, test } from 'vitest';
import { writtenOutBytes } from '../../../backends/http/written-out.ts';

test.each([
  ['1e5', 8],
  ['[1E+5, 2e-5]', 22],
  ['{"a": true, "b": false, "c": null}', 34],
  ['{"1e99999": "2e99999 \\" 3e99999 \\\\", "a": 1e1}', 47],
  ['"\\"1e99999"', 11],
  ['"ä1e9"', 7],
  ['[-0.0e-16383,1e131071]', 22 + 16383 + 131071],
  ['1e0000000000000000000000000000000000000000000000000000000010', 70],
])('%s has %i bytes', (json, bytes) => {
  expect(writtenOutBytes(json)).toBe(bytes);
});
