import { existsSync } from 'node:fs';
import type { TestProject } from 'vitest/node';
import { findOnPath } from '../../stack/command.ts';
import { installDebianPackage } from '../../stack/debian-package.ts';
import { engineAt, importTestImages, removeTestImages, staticBusybox } from './docker-images.ts';
import { ownDockerEngine } from './own-docker-engine.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** `ownEngines`: tests can start engines of their own here. Null: there is none, and what needs one is skipped. */
    docker: { host: string; ownEngines: boolean } | null;
  }
}

/** The engine of `TEST_DOCKER_HOST` or the machine's own socket, where it answers, else one that is started here, where that can be; else none. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const own = ownDockerEngine(project.name);
  const canOwn = process.getuid?.() === 0 && existsSync('/etc/debian_version');
  if (canOwn) await own.remove();
  const given = process.env['TEST_DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
  if (await answers(given)) {
    say(`the engine at ${given}`);
    await importTestImages(given);
    project.provide('docker', { host: given, ownEngines: false });
    return () => removeTestImages(given);
  }
  try {
    if (!canOwn) throw new Error('no engine answers, and only root on Debian can start one');
    await install();
    await own.start();
    await importTestImages(own.host);
  } catch (error) {
    say(`TESTS OF CONTAINERS ARE SKIPPED: ${error instanceof Error ? error.message : String(error)}`);
    if (canOwn) await own.remove();
    project.provide('docker', null);
    return async () => {};
  }
  say(`an engine of the tests' own at ${own.host}`);
  project.provide('docker', { host: own.host, ownEngines: true });
  return () => own.remove();
}

async function answers(host: string): Promise<boolean> {
  try {
    await engineAt(host).ping();
    return true;
  } catch {
    return false;
  }
}

async function install(): Promise<void> {
  if ((await findOnPath('dockerd')) === undefined) {
    say('installing the Debian package docker.io …');
    await installDebianPackage('docker.io');
  }
  if (!existsSync(staticBusybox.installed)) await installDebianPackage('busybox-static', { hasService: false });
}

function say(line: string): void {
  process.stdout.write(`Docker: ${line}\n`);
}
