import type { TestProject } from 'vitest/node';
import { toolsDirectory } from '../../../stack/paths.ts';
import type { FoundRabbitmq } from '../../../stack/rabbitmq-find.ts';
import { findRabbitmq4 } from '../find-rabbitmq-4.ts';

/** RabbitMQ 4 as a program, of which several can run as one cluster. */
export type RabbitmqProgram = Extract<FoundRabbitmq, { kind: 'node' }>;

declare module 'vitest' {
  interface ProvidedContext {
    /** Null: it cannot be had here, and what needs it is skipped. */
    rabbitmqProgram: RabbitmqProgram | null;
  }
}

/** Finds RabbitMQ 4, or installs it into a folder of its own, once per run. */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('rabbitmqProgram', await find());
}

async function find(): Promise<RabbitmqProgram | null> {
  try {
    const { found } = await findRabbitmq4({ toolsDirectory, onProgress: say });
    if (found.kind === 'node') return found;
    say('RabbitMQ: TESTS OF ITS CLUSTER ARE SKIPPED, because nodes in containers do not reach each other');
  } catch (error) {
    say(`RabbitMQ: TESTS OF ITS CLUSTER ARE SKIPPED: ${error instanceof Error ? error.message : String(error)}`);
  }
  return null;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
