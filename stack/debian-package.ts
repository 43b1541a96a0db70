import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { findOnPath, runCommand } from './command.ts';

const policyFile = '/usr/sbin/policy-rc.d';

/** Root on Debian or Ubuntu, who may install packages. */
export async function isRootOnDebian(): Promise<boolean> {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && (await findOnPath('apt-get')) !== undefined;
}

/** Installs a package as root without starting the service of its name, where it has one, now or at the next boot. */
export async function installDebianPackage(name: string, { hasService = true } = {}): Promise<void> {
  // One broken list of packages must not matter; the installation says what is missing.
  await runCommand('apt-get', ['update', '-q']).catch(() => {});
  await withoutServiceStart(() =>
    runCommand('env', [
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      'install',
      '-y',
      '-q',
      '--no-install-recommends',
      '-o',
      'DPkg::Lock::Timeout=120',
      name,
    ]),
  );
  if (hasService && existsSync('/run/systemd/system')) await runCommand('systemctl', ['disable', name]);
}

/** Exit code 101 of this script forbids it: https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt */
async function withoutServiceStart(install: () => Promise<unknown>): Promise<void> {
  const ours = !existsSync(policyFile);
  if (ours) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await install();
  } finally {
    if (ours) rmSync(policyFile);
  }
}
