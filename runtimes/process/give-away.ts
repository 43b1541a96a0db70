import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Makes a user the owner of a folder and its content. No process of another user may work in the folder meanwhile. Files
 * with several links keep their owner, because an earlier agent may have linked them from elsewhere.
 */
export async function giveAway(path: string, uid: number): Promise<void> {
  const stats = await lstat(path);
  if (stats.isDirectory()) {
    if (stats.uid === uid) return;
    await chmod(path, 0o700);
    for (const name of await readdir(path)) await giveAway(join(path, name), uid);
  } else if (stats.nlink > 1) return;
  await lchown(path, uid, uid);
}
