import { RuntimeUnavailable } from '../runtime.ts';

/** The start is not the fault of the agent, and is tried again. */
export function leaseLapsed(): RuntimeUnavailable {
  return new RuntimeUnavailable(
    'The lease of the host ran out during the start, so another host may have got the instance. The start is tried again ' +
      'where the instance is placed.',
  );
}
