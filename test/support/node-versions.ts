import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../stack/command.ts';

/** Major versions of Node.js that tests run on besides the one that runs npm. */
export const nodeVersions = [22, 24] as const;

const folder = fileURLToPath(new URL('../node-versions/', import.meta.url));

/** The program of that version, where `prepareNodeVersions` could install it. */
export function findNode(version: number): string | undefined {
  const program = `${folder}node_modules/node-${version}-${process.platform}-${process.arch}/bin/node`;
  return existsSync(program) ? program : undefined;
}

/** Installs the versions of `test/node-versions/package-lock.json`. Where they cannot be had, says so and why. */
export async function prepareNodeVersions(): Promise<void> {
  let reason = `npm has none for ${process.platform} on ${process.arch}`;
  try {
    await runCommand('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  const missing = nodeVersions.filter((version) => findNode(version) === undefined);
  if (missing.length === 0) return;
  process.stdout.write(`Node.js: THE TESTS ARE NOT RUN ON ${missing.join(' AND ')}: ${reason}\n`);
}
