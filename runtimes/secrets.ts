/** A text of an agent's environment or config, which may be secret. `name` is shown in its place. */
export interface Secret {
  name: string;
  text: string;
}

/** Shorter texts are found by chance in what an agent prints, and are easily guessed. */
const shortest = 8;
const nameLength = 64;

/** Every text that must not appear in what is quoted of an agent's output, the longest first. Numbers are not among them. */
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

/** The output, in which the name of each secret stands for it. An output whose beginning was cut off may begin within one. */
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

/** As it is, as JSON and JavaScript write it within quotes, and of a URL the password alone. */
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

/** How many characters at the beginning of the output are the end of the secret. */
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
