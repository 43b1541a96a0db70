import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { findOnPath, runCommand, withProgress } from '../../stack/command.ts';
import { findFirst } from '../../stack/find-first.ts';
import { downloadBySdk, findKept } from '../../stack/kept-program.ts';
import type { Progress } from '../../stack/server.ts';

const version = '1.31.0';
const programName = 'temporal-test-server';
const javaName = `temporal-test-server-java-${version}`;
/** A server that lives for seconds does not earn back what Java's optimizing compiler and its parallel collector cost. */
const javaOptions = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

/**
 * Finds the server that `TestWorkflowEnvironment.createTimeSkipping` needs, and returns the path of its program: the SDK's
 * download, or else the same server from Maven Central, which Java runs. Both are kept in `toolsDirectory`.
 *
 * @throws Error that lists these ways when neither of them works
 */
export async function findTimeSkippingServer({
  toolsDirectory,
  onProgress = () => {},
}: {
  toolsDirectory: string;
  onProgress?: Progress;
}): Promise<string> {
  const folder = resolve(toolsDirectory);
  mkdirSync(folder, { recursive: true });
  const kept = (): string | undefined => {
    const program = findKept(folder, programName);
    // An earlier version of this file may have written it.
    if (program !== undefined && existsSync(join(folder, javaName))) writeProgram(folder);
    return program;
  };
  const { found } = await findFirst(
    "Temporal's time-skipping test server",
    [
      {
        name: 'download by the Temporal SDK',
        advice: 'connect this machine to the internet, so that the Temporal SDK can download the server',
        find: async () => {
          if (kept() === undefined) {
            await withProgress('Temporal: downloading the test server …', onProgress, () =>
              downloadBySdk(folder, 'createTimeSkipping'),
            );
          }
          return kept();
        },
      },
      {
        name: `Maven Central's io.temporal:temporal-test-server:${version}`,
        advice: `install java and mvn, which get io.temporal:temporal-test-server:${version} from Maven Central`,
        find: async () => {
          const [java, maven] = await Promise.all([findOnPath('java'), findOnPath('mvn')]);
          if (java === undefined || maven === undefined) return undefined;
          await withProgress('Temporal: getting the test server from Maven Central …', onProgress, () =>
            fromMaven(folder),
          );
          return kept();
        },
      },
    ],
    { instead: `put the program "temporal-test-server" into ${folder}` },
  );
  return found;
}

/** Copies the server and its libraries, then writes the program that starts it. */
async function fromMaven(folder: string): Promise<void> {
  const home = join(folder, javaName);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
  writeFileSync(join(home, 'pom.xml'), pom);
  await runCommand(
    'mvn',
    ['-B', '-q', 'dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=lib'],
    {
      cwd: home,
    },
  );
  writeProgram(folder);
}

function writeProgram(folder: string): void {
  // The port alone is passed on: with the SDK's second argument time runs away, and every workflow times out at once.
  const lines = [
    '#!/bin/sh',
    `exec java ${javaOptions.join(' ')} -cp "$(dirname "$0")/${javaName}/lib/*" io.temporal.testserver.TestServer "$1"`,
    '',
  ];
  const unfinished = join(folder, javaName, `start-${process.pid}`);
  writeFileSync(unfinished, lines.join('\n'));
  chmodSync(unfinished, 0o755);
  renameSync(unfinished, join(folder, programName));
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>instance-engine</groupId>
  <artifactId>temporal-test-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${version}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-nop</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;
