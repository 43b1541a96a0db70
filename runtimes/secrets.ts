/** A text of an agent's environment or config that may be secret. Its name is shown in its place. */
export interface Secret {
  name: string;
  text: string;
}

/** Shorter texts occur in output by chance, and are easy to guess. */
const shortest = 8;
const nameLength = 64;

/** Lists every text that must not appear in quoted output, the longest first. Numbers are left out. */
export function secretsOf({ environment, config }: { environment: object; config: unknown }): Secret[] {
  const byText = new Map<string, string>();
  for (const { name, text } of [...textsIn(environment, '$'), ...textsIn(config, 'config.')]) {
    for (const form of text.split(/\r?\n/).flatMap(formsOf)) {
      if (form.length >= shortest && !byText.has(form)) byText.set(form, name.slice(0, nameLength));
    }
  }
  return [...byText]
    .map(([text, name]) => ({ name, text }))
    .toSorted((one, other) => other.text.length - one.text.length);
}

/** Replaces each secret by its name. The output may begin in the middle of a secret, because its beginning was cut off. */
export function maskSecrets(output: string, secrets: readonly Secret[]): string {
  let masked = output;
  for (const secret of secrets) {
    const length = cutLength(masked, secret);
    if (length > 0) masked = shown(secret) + masked.slice(length);
    if (masked.includes(secret.text)) masked = masked.replaceAll(secret.text, () => shown(secret));
  }
  return masked;
}

function* textsIn(value: unknown, prefix: string): Generator<Secret> {
  if (typeof value === 'string') yield { name: prefix.replace(/\.$/, ''), text: value };
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    yield* textsIn(member, prefix === '$' ? `$${key}` : `${prefix}${key}.`);
  }
}

/** The forms in which a text may be printed: as it is, escaped as in JSON, and the password of a URL alone. */
function formsOf(line: string): string[] {
  const quoted = JSON.stringify(line).slice(1, -1);
  if (!line.includes('://') || !URL.canParse(line)) return [line, quoted];
  const { password } = new URL(line);
  return [line, quoted, password, decoded(password)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The number of characters at the beginning of the output that are the end of the secret. */
function cutLength(output: string, { text }: Secret): number {
  if (!text.includes(output.slice(0, shortest))) return 0;
  for (let length = Math.min(text.length - 1, output.length); length >= shortest; length -= 1) {
    if (output.startsWith(text.slice(-length))) return length;
  }
  return 0;
}

function shown({ name }: Secret): string {
  return `[${name}]`;
}
