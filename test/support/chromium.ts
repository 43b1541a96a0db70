import { existsSync } from 'node:fs';
import { chromium, type BrowserServer } from 'playwright-core';
import type { TestProject } from 'vitest/node';
import { findOnPath } from '../../stack/command.ts';
import { installDebianPackage } from '../../stack/debian-package.ts';
import { findFirst } from '../../stack/find-first.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** WebSocket address of a running Chrome or Chromium. Null: there is none, and tests that need one are skipped. */
    chromium: string | null;
  }
}

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const places = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  String.raw`C:\Program Files\Google\Chrome\Application\chrome.exe`,
];

/** Starts one browser for all files: each test opens contexts of its own, which share nothing. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  try {
    const browser = await launchBrowser(await findChromium());
    project.provide('chromium', browser.wsEndpoint());
    return () => browser.close();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stdout.write(`TESTS IN A BROWSER ARE SKIPPED: ${reason}\n`);
    project.provide('chromium', null);
    return async () => {};
  }
}

/**
 * Finds a Chrome or Chromium on the machine, or else installs Debian's package, where root may do so.
 *
 * @throws Error that says what to do when neither works
 */
async function findChromium(): Promise<string> {
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

/** Launches a browser that sends no requests of its own to the internet. */
function launchBrowser(executablePath: string): Promise<BrowserServer> {
  return chromium.launchServer({
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
