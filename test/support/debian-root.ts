import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath, runCommand } from '../../stack/command.ts';
import { installDebianPackage } from '../../stack/debian-package.ts';
import type { OtherSystem } from '../../stack/rabbitmq-find.ts';

/** The folder of a Debian system that was built before; undefined when there is none. */
export function findDebianRoot(toolsDirectory: string, name: string): string | undefined {
  const folder = join(toolsDirectory, name);
  return existsSync(folder) ? realpathSync(folder) : undefined;
}

/**
 * Builds a minimal Debian system with packages of Debian's unstable release in a folder of its own, in a few minutes. A
 * build that was cut short is never taken for complete, and of several processes one builds while the others wait for it.
 *
 * @throws Error quoting the end of what the build wrote
 */
export async function buildDebianRoot(
  { toolsDirectory, name, packages }: { toolsDirectory: string; name: string; packages: string[] },
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  mkdirSync(toolsDirectory, { recursive: true });
  if ((await findOnPath('debootstrap')) === undefined) await installDebianPackage('debootstrap', { hasService: false });
  const folder = join(realpathSync(toolsDirectory), name);
  await runCommand('flock', [`${folder}.lock`, ...inOwnMounts, 'sh', '-euc', buildScript, 'sh', folder, ...packages], {
    signal,
  });
}

/**
 * Describes how a program is run inside such a system, whose files are read-only, because other runs use it at the same time.
 *
 * The mounts belong to that program alone: they are gone when it has ended, also by SIGKILL, and no other program sees them.
 */
export function insideDebianRoot(root: string): OtherSystem {
  return { enter: [...inOwnMounts, 'sh', '-euc', enterScript, 'sh', root], directory: insideDirectory };
}

const insideDirectory = '/mnt';

/** https://man7.org/linux/man-pages/man1/unshare.1.html: a mount namespace of the program's own. */
const inOwnMounts = ['unshare', '--mount', '--propagation', 'private'];

/** Exit code 101 of policy-rc.d keeps the packages from starting their services. */
const buildScript = `
folder=$1
shift
test ! -d "$folder" || exit 0
building="$folder.building"
rm -rf "$building"
debootstrap --variant=minbase sid "$building"
echo '127.0.0.1 localhost' > "$building/etc/hosts"
printf '#!/bin/sh\\nexit 101\\n' > "$building/usr/sbin/policy-rc.d"
chmod 755 "$building/usr/sbin/policy-rc.d"
mount --rbind /dev "$building/dev"
mount -t proc proc "$building/proc"
chroot "$building" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
umount -l "$building/dev" "$building/proc"
rm -rf "$building/var/cache/apt" "$building/var/lib/apt/lists"
mv "$building" "$folder"
`;

const enterScript = `
root=$1 directory=$2
shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$directory" "$root${insideDirectory}"
exec chroot "$root" "$@"
`;
