import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const commonConfig = fileURLToPath(new URL('../contract/python/schemathesis.toml', import.meta.url));

export interface SchemathesisOptions {
  /** Of an environment with schemathesis.txt. */
  python: string;
  /** Of a backend with an OpenAPI document at `/openapi.json`. */
  url: string;
  token: string;
  /** Ends it. */
  signal: AbortSignal;
  /** Requests of each kind per operation. */
  maxExamples?: number;
  /** What is there, by where it is asked for, such as `path.id` or `body.agent_id`: half of the requests are about it. */
  known: Readonly<Record<string, readonly string[]>>;
  /** Only operations under paths that match are tried. */
  paths?: RegExp;
  /** Names of checks that do not hold there. */
  excludedChecks?: readonly string[];
}

/** Sends requests made of the OpenAPI document, and others that are wrong by it. @returns what is said of the answers */
export async function runSchemathesis(options: SchemathesisOptions): Promise<{ exitCode: number; output: string }> {
  const { python, url, token, known, signal, maxExamples = 25, paths = /./, excludedChecks = [] } = options;
  const folder = await mkdtemp(join(tmpdir(), 'schemathesis-'));
  const configFile = join(folder, 'schemathesis.toml');
  await writeFile(configFile, `${await readFile(commonConfig, 'utf8')}\n${toConfig(known)}`);
  const child = spawn(
    python,
    [
      '-m',
      'schemathesis.cli',
      '--config-file',
      configFile,
      'run',
      `${url}/openapi.json`,
      '--no-color',
      '--include-path-regex',
      paths.source,
      '--max-examples',
      String(maxExamples),
      '--header',
      `Authorization: Bearer ${token}`,
      ...(excludedChecks.length > 0 ? ['--exclude-checks', excludedChecks.join(',')] : []),
    ],
    { cwd: folder, signal, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { exitCode: code ?? -1, output };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function toConfig(known: SchemathesisOptions['known']): string {
  const sections = Object.entries(known).map(([place, values], index) => [
    `[dictionaries.known_${index}]\nvalues = ${JSON.stringify(values)}`,
    `${JSON.stringify(place)} = { dictionary = "known_${index}", probability = 0.5 }`,
  ]);
  return [...sections.map(([dictionary]) => dictionary), '[parameters]', ...sections.map(([, use]) => use)].join('\n');
}
