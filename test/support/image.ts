import { execFile } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Copy, DockerfileParser, type Env, type Instruction } from 'dockerfile-ast';
import { z } from 'zod';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Image {
  /** Stands for the image's `/app`. */
  folder: string;
  /** What the image sets, its paths below `/app` moved to the folder. */
  environment: Record<string, string>;
  /** Program and leading arguments of every process. */
  entrypoint: string[];
  /** Program and arguments; exit code 0 says healthy. */
  healthcheck: string[];
}

/**
 * Does in an empty folder what the Dockerfile's stage `build` does in `/app`: the same files, the same commands. Only the
 * base image is missing, so Node and the C library are those of this machine.
 *
 * @throws Error when a command fails, with what it printed; when the Dockerfile is of another form than is understood here
 */
export async function buildImage(folder: string): Promise<Image> {
  const [base, build, final] = await readStages();
  if (copiesOf(final).join() !== '--from=build /app/ ./') {
    throw new Error('the last stage is expected to copy /app/ as it is, and nothing else');
  }
  const environment = environmentOf(base, build);
  for (const instruction of build) {
    const content = contentOf(instruction);
    if (instruction.getKeyword() === 'COPY') await copy(content.split(/\s+/), folder);
    if (instruction.getKeyword() === 'RUN') await run(content, folder, environment);
  }
  const moved = Object.entries(environmentOf(base, final)).map(([name, value]) => [
    name,
    value.replace(/^\/app\//, `${folder}/`),
  ]);
  return {
    folder,
    environment: Object.fromEntries(moved) as Record<string, string>,
    entrypoint: execForm(final, 'ENTRYPOINT'),
    healthcheck: execForm(final, 'HEALTHCHECK'),
  };
}

type Stage = Instruction[];

async function readStages(): Promise<[base: Stage, build: Stage, final: Stage]> {
  const dockerfile = DockerfileParser.parse(await readFile(join(root, 'Dockerfile'), 'utf8'));
  const stages: Stage[] = [];
  for (const instruction of dockerfile.getInstructions()) {
    if (instruction.getKeyword() === 'FROM') stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  const [base, build, final, ...more] = stages;
  if (!base || !build || !final || more.length > 0) throw new Error('the Dockerfile is expected to have three stages');
  return [base, build, final];
}

function contentOf(instruction: Instruction): string {
  return instruction.getArgumentsContent() ?? '';
}

function copiesOf(stage: Stage): string[] {
  return stage
    .filter((instruction): instruction is Copy => instruction.getKeyword() === 'COPY')
    .map((instruction) => [...instruction.getFlags().map(String), contentOf(instruction)].join(' '));
}

function environmentOf(...stages: Stage[]): Record<string, string> {
  const properties = stages
    .flat()
    .filter((instruction): instruction is Env => instruction.getKeyword() === 'ENV')
    .flatMap((instruction) => instruction.getProperties());
  return Object.fromEntries(properties.map((property) => [property.getName(), property.getValue() ?? '']));
}

function execForm(stage: Stage, keyword: string): string[] {
  const found = stage.find((instruction) => instruction.getKeyword() === keyword);
  const content = found ? contentOf(found) : '';
  return z.array(z.string()).parse(JSON.parse(content.slice(content.indexOf('['))));
}

async function copy(paths: string[], folder: string): Promise<void> {
  const target = join(folder, paths.at(-1) ?? '');
  for (const path of paths.slice(0, -1)) {
    await mkdir(target, { recursive: true });
    // As in Docker: of a folder, its content is copied.
    await cp(join(root, path), path.endsWith('/') ? target : join(target, path), { recursive: true });
  }
}

async function run(command: string, folder: string, environment: Record<string, string>): Promise<void> {
  // npm tells those that it runs where it runs, and an npm that they run would believe it.
  const own = Object.entries(process.env).filter(([name]) => !/^npm_(?!config_registry$)/i.test(name));
  await promisify(execFile)('sh', ['-c', command], {
    cwd: folder,
    env: { ...Object.fromEntries(own), ...environment },
  });
}
