/**
 * Size of a JSON text in bytes after PostgreSQL has written its numbers without exponents: `1e131071` becomes 131,072 digits.
 *
 * @param json valid JSON
 */
export function writtenOutBytes(json: string): number {
  const bytes = Buffer.byteLength(json);
  // Most bodies have no exponent.
  if (!/[eE][+-]?\d/.test(json)) return bytes;
  let added = 0;
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (character === '"') at = endOfText(json, at);
    else if (character === 'e' || character === 'E') {
      exponent.lastIndex = at + 1;
      const [digits] = exponent.exec(json) ?? [];
      // No digit follows the `e` of `true` or `false`.
      if (digits !== undefined) added += Math.abs(Number(digits));
    }
  }
  return bytes + added;
}

const exponent = /[+-]?\d+/y;

/** @returns the position of the closing quote of the string that starts there */
function endOfText(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at += 1) {
    if (json[at] === '\\') at += 1;
    else if (json[at] === '"') return at;
  }
  return json.length;
}
