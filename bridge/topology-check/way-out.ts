import { removalOf } from '../topology.ts';
import { isOfControlQueue } from './catalog.ts';
import type { Difference } from './compare.ts';

/** A sentence for the person who has to decide: nothing is ever deleted for them. */
export function wayOutOf({ kind, object, harmless, creatable }: Difference): string {
  if (harmless) return 'Nothing to do; remove it if nobody uses it.';
  if (isOfControlQueue(object)) {
    return 'Stop the instance and start it again, which makes the queue anew; if there is no such instance, delete the queue.';
  }
  switch (kind) {
    case 'missing':
      return creatable
        ? 'Create it with --apply.'
        : 'Mend the queue or exchange that is different first, then create this with --apply.';
    case 'different':
      return `${removalOf(object)}, and create it anew with --apply; or use another virtual host.`;
    case 'extra':
      return 'Unbind it, or write it down in contracts/topology.ts.';
  }
}
