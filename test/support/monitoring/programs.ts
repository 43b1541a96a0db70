import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findOnPath, runCommand, withProgress } from '../../../stack/command.ts';
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
    /** Path of an OpenTelemetry collector. Null: there is none, and what needs it is skipped. */
    collector: string | null;
  }
}

/** Finds, unpacks or builds the programs. Says which tests are skipped otherwise. */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('monitoring', await findPrometheus().catch((error: Error) => skip('PROMETHEUS', error)));
  project.provide('collector', await findCollector().catch((error: Error) => skip('THE COLLECTOR', error)));
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

/**
 * Builds a collector that receives OTLP and prints what it received, from the collector's own modules: those of the program that builds
 * collectors (https://opentelemetry.io/docs/collector/custom-collector) do the same.
 */
async function findCollector(): Promise<string> {
  const kept = join(toolsDirectory, 'otel-collector');
  if (existsSync(kept)) return kept;
  if ((await findOnPath('go')) === undefined) throw new Error('install Go (https://go.dev/dl), which builds it');
  const building = join(toolsDirectory, 'building', 'otel-collector');
  mkdirSync(building, { recursive: true });
  const source = new URL('collector/', import.meta.url).pathname;
  for (const file of readdirSync(source)) copyFileSync(join(source, file), join(building, file));
  await withProgress(
    'Monitoring: building an OpenTelemetry collector with Go (a minute of processor time the first time) …',
    say,
    () =>
      runCommand(
        'nice',
        ['-n', '19', 'go', 'build', '-mod=mod', '-trimpath', '-ldflags=-s -w', '-o', 'otel-collector', '.'],
        {
          cwd: building,
        },
      ),
  );
  // Renamed when complete: a build that was cut short is never taken for the program.
  renameSync(join(building, 'otel-collector'), kept);
  return kept;
}

function skip(what: string, { message }: Error): null {
  say(`TESTS WITH ${what} ARE SKIPPED: ${message}`);
  return null;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
