/**
 * Bytes of a JSON text once its numbers are written without exponents, as PostgreSQL does: `1e131071` then has 131,072 digits.
 *
 * @param json valid JSON
 */
export function writtenOutBytes(json: string): number {
  const bytes = Buffer.byteLength(json);
  // Most bodies have no such number, also not within a text.
  if (!/[eE][+-]?\d/.test(json)) return bytes;
  let added = 0;
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (character === '"') at = endOfText(json, at);
    else if (character === 'e' || character === 'E') {
      exponent.lastIndex = at + 1;
      const [digits] = exponent.exec(json) ?? [];
      // The `e` of `true` and of `false` is followed by no digit.
      if (digits !== undefined) added += Math.abs(Number(digits));
    }
  }
  return bytes + added;
}

const exponent = /[+-]?\d+/y;

/** Where the text that begins there has its last quote. */
function endOfText(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at += 1) {
    if (json[at] === '\\') at += 1;
    else if (json[at] === '"') return at;
  }
  return json.length;
}
