import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../../stack/command.ts';

/** Unpacks packages without installing them: some of the machine's own release, others of Debian's unstable one. */
export async function unpackDebianPackages(
  folder: string,
  { ownRelease, unstable }: { ownRelease: string[]; unstable: string[] },
): Promise<void> {
  mkdirSync(join(folder, '..'), { recursive: true });
  await runCommand('nice', ['sh', '-euc', unpackScript, 'sh', folder, ownRelease.join(' '), unstable.join(' ')]);
}

/** The lists of the unstable release are kept apart from those of the machine, whose packages stay as they are. */
const unpackScript = `
folder=$1 own=$2 unstable=$3
building="$folder.building"
rm -rf "$building" "$folder"
mkdir -p "$building/apt/lists/partial" "$building/apt/cache/archives/partial" "$building/packages" "$building/root"
: > "$building/apt/status"
if test -n "$unstable"; then
  mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | grep -v '^#' | grep -o 'https\\?://[^ ]*/debian/\\?\\( \\|$\\)' | head -n 1)
  echo "deb \${mirror:-http://deb.debian.org/debian} sid main" > "$building/apt/sources.list"
  apt="-o Dir::Etc::SourceList=$building/apt/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$building/apt/lists \
-o Dir::State::Status=$building/apt/status -o Dir::Cache=$building/apt/cache -o APT::Sandbox::User=root"
  apt-get $apt update -q
  (cd "$building/packages" && apt-get $apt download -q $unstable)
fi
if test -n "$own"; then
  apt-get update -q || true
  (cd "$building/packages" && apt-get download -q -o APT::Sandbox::User=root $own)
fi
for package in "$building"/packages/*.deb; do dpkg-deb -x "$package" "$building/root"; done
mv "$building/root" "$folder"
rm -rf "$building"
`;
