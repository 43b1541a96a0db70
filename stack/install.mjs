// Runs before `npm start` and `npm test`, also in a bare clone: plain JavaScript without dependencies.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 20 || (major === 20 && minor < 11)) {
  console.error(`Node 20.11 or later is needed, and this is ${process.version}. Get one from https://nodejs.org.`);
  process.exitCode = 1;
} else if (!isInstalled()) {
  console.log('Installing packages (npm ci) …');
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    console.error(`The packages could not be installed${error ? `: ${error.message}` : '; npm says why above'}.`);
    process.exitCode = 1;
  }
}

/**
 * npm notes what it installed in node_modules/.package-lock.json. Optional packages are missing there when they are for
 * another platform.
 */
function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  const installed = packagesOf('node_modules/.package-lock.json');
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    const present = installed[path];
    return path === '' || link || (present ? present.version === version : optional === true);
  });
}

/** @returns {Record<string, { version?: string, optional?: boolean, link?: boolean }>} */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')).packages;
  } catch {
    return {};
  }
}
