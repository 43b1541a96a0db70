import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';
import type { TestProject } from 'vitest/node';
import { findOnPath } from '../../stack/command.ts';
import { installDebianPackage } from '../../stack/debian-package.ts';
import { findFirst } from '../../stack/find-first.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of a Chrome or Chromium. Null: there is none, and what needs one is skipped. */
    chromium: string | null;
  }
}

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const places = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  String.raw`C:\Program Files\Google\Chrome\Application\chrome.exe`,
];

export default async function setUp(project: TestProject): Promise<void> {
  try {
    project.provide('chromium', await findChromium());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stdout.write(`TESTS IN A BROWSER ARE SKIPPED: ${reason}\n`);
    project.provide('chromium', null);
  }
}

/** A Chrome or Chromium on the machine, else Debian's package, where root may install it; else an error on what to do. */
export async function findChromium(): Promise<string> {
  const ways = [
    { name: 'on this machine', advice: 'install Google Chrome, or Chromium', find: findInstalled },
    {
      name: 'Debian package chromium',
      advice: 'on Debian, run once as root, which installs the package chromium',
      find: async () => {
        if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return undefined;
        process.stdout.write('Chromium: installing the Debian package chromium …\n');
        await installDebianPackage('chromium', { hasService: false });
        return findInstalled();
      },
    },
  ];
  const { found } = await findFirst('A browser', ways, { instead: 'put a chromium on the PATH' });
  return found;
}

async function findInstalled(): Promise<string | undefined> {
  const onPath = await Promise.all(names.map((name) => findOnPath(name)));
  return onPath.find((path) => path !== undefined) ?? places.find((path) => existsSync(path));
}

/** A browser that asks nothing of the internet. */
export function launchBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      // Chromium's sandbox refuses root.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
