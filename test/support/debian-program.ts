import { existsSync } from 'node:fs';
import { findOnPath } from '../../stack/command.ts';
import { installDebianPackage } from '../../stack/debian-package.ts';

/**
 * A program on the machine, else that of Debian's package of the same name, where root may install it.
 *
 * @throws Error saying why there is none
 */
export async function findDebianProgram(name: string): Promise<string> {
  const installed = await findOnPath(name);
  if (installed !== undefined) return installed;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Error(`there is no ${name} on the PATH, and only root on Debian can install one`);
  }
  process.stdout.write(`Installing the Debian package ${name} …\n`);
  await installDebianPackage(name);
  const path = await findOnPath(name);
  if (path === undefined) throw new Error(`the Debian package ${name} brought no program of that name`);
  return path;
}
