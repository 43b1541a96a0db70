import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { findOnPath, runCommand, withProgress } from '../../stack/command.ts';
import type { Progress } from '../../stack/server.ts';

export interface GoProgram {
  /** Name of the file in the tools folder. */
  name: string;
  module: string;
  version: string;
  /** The package of the program, within the module. */
  path: string;
  /** Processor time that the build takes with a cold cache. */
  minutes: number;
  linkerFlags?: string;
  /** Adapts the dependencies that the go.mod of the module lists. A module of our own then requires them and the module. */
  dependenciesOf?: (goMod: string) => string;
}

interface Options {
  toolsDirectory: string;
  onProgress: Progress;
  /** Builds a missing program. Otherwise only a program that is there already is found. */
  build: boolean;
  /** The command of this project that builds it. */
  command: string;
}

/** @throws Error saying what to do when the program cannot be had */
export async function findGoProgram(program: GoProgram, options: Options): Promise<string> {
  const { toolsDirectory, onProgress, build, command } = options;
  const { name, minutes } = program;
  const kept = join(toolsDirectory, name);
  if (existsSync(kept)) return kept;
  if (!build) throw new Error(`there is no ${name} in ${toolsDirectory}: ${command} builds it`);
  if ((await findOnPath('go')) === undefined) throw new Error(`install Go (https://go.dev/dl), which builds ${name}`);
  await withProgress(`Go: building ${name} (${minutes} minutes of processor time the first time) …`, onProgress, () =>
    buildGoProgram(program, toolsDirectory),
  );
  return kept;
}

/**
 * Builds a program as a dependency of a module of our own, because `go install` refuses a module whose go.mod replaces others, and takes
 * no versions from anywhere else.
 */
async function buildGoProgram(program: GoProgram, toolsDirectory: string): Promise<void> {
  const { name, module, version, path, linkerFlags = '', dependenciesOf = (goMod) => goMod } = program;
  const building = join(toolsDirectory, 'building', name);
  mkdirSync(building, { recursive: true });
  const answer = await runCommand('go', ['mod', 'download', '-json', `${module}@${version}`]);
  const { GoMod: file } = z.object({ GoMod: z.string() }).parse(JSON.parse(answer));
  const dependencies = dependenciesOf(readFileSync(file, 'utf8')).replace(/^module .*/m, 'module programs');
  writeFileSync(join(building, 'go.mod'), `${dependencies}\nrequire ${module} ${version}\n`);
  const flags = ['-mod=mod', '-trimpath', `-ldflags=-s -w ${linkerFlags}`];
  await runCommand('nice', ['-n', '19', 'go', 'build', ...flags, '-o', name, `${module}/${path}`], { cwd: building });
  // Renamed when complete: a build that was cut short is never taken for the program.
  renameSync(join(building, name), join(toolsDirectory, name));
}
