import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Makes a folder and all in it a user's. Nothing of another user may run in it meanwhile. Files with several links stay
 * as they are: an earlier agent may have linked them from elsewhere.
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
