import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { withProgress } from '../../../stack/command.ts';
import { isRootOnDebian } from '../../../stack/debian-package.ts';
import { toolsDirectory } from '../../../stack/paths.ts';
import { unpackDebianPackages } from '../unpack-debian-packages.ts';

export interface MonitoringPrograms {
  prometheus: string;
  promtool: string;
  alertmanager: string;
  /** Template that Debian's Alertmanager needs at a fixed path. */
  alertmanagerTemplates: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Null: they cannot be had, and what needs them is skipped. */
    monitoring: MonitoringPrograms | null;
  }
}

/** Finds or unpacks the programs. Says which tests are skipped otherwise. */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('monitoring', await findPrometheus().catch((error: Error) => skip('PROMETHEUS', error)));
}

async function findPrometheus(): Promise<MonitoringPrograms> {
  const folder = join(toolsDirectory, 'monitoring');
  if (!existsSync(folder)) {
    if (!(await isRootOnDebian())) throw new Error('only root on Debian can unpack its packages');
    const unstable = ['prometheus', 'promtool', 'prometheus-alertmanager'];
    await withProgress("Monitoring: unpacking Debian's unstable Prometheus and Alertmanager …", say, () =>
      unpackDebianPackages(folder, { ownRelease: [], unstable }),
    );
  }
  const bin = join(folder, 'usr/bin');
  return {
    prometheus: join(bin, 'prometheus'),
    promtool: join(bin, 'promtool'),
    alertmanager: join(bin, 'prometheus-alertmanager'),
    alertmanagerTemplates: join(folder, 'usr/share/prometheus/alertmanager'),
  };
}

function skip(what: string, { message }: Error): null {
  say(`TESTS WITH ${what} ARE SKIPPED: ${message}`);
  return null;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
