// Adds the passwords and the secret that docker-compose.yml requires to `.env`, as far as they are missing there.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const compose = readFileSync(new URL('../docker-compose.yml', import.meta.url), 'utf8');
const file = process.argv[2] ?? new URL('../.env', import.meta.url).pathname;

const asked = new Set([...compose.matchAll(/\$\{(\w+):?\?/g)].map(([, name]) => name));
const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
// A line that leaves its value empty counts as well: an empty JWT_SECRET says that JWT_JWKS_URL is used.
const given = new Set([...before.matchAll(/^\s*(?:export\s+)?(\w+)\s*=/gm)].map(([, name]) => name));
const missing = [...asked].filter((name) => !given.has(name));
const lines = missing.map((name) => `${name}=${randomBytes(32).toString('hex')}\n`);

if (missing.length > 0) {
  const draft = `${file}.new`;
  const separator = before === '' || before.endsWith('\n') ? '' : '\n';
  writeFileSync(draft, `${before}${separator}${lines.join('')}`, { mode: 0o600 });
  renameSync(draft, file);
}
chmodSync(file, 0o600);
console.log(
  missing.length > 0
    ? `Wrote ${missing.join(', ')} to ${file}, which only you may read. Next: docker compose up --build --wait`
    : `${file} has everything that docker-compose.yml asks for.`,
);
