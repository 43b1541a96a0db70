import { userInfo } from 'node:os';

/** Who requests something at this command line. */
export function requesterName(): string {
  try {
    return `command line: ${userInfo().username}`;
  } catch {
    // The system does not know the user, as in some containers.
    return 'command line';
  }
}
