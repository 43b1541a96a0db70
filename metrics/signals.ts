import { counter } from './define.ts';

const signals = counter({
  name: 'signals_total',
  help: 'Signals to workflows of instances, by type of the message. `outcome`: `accepted`; `refused`, also by a server that is away; `no_workflow`.',
  labels: ['message', 'outcome'],
  of: ['agents_worker', 'user_backend'],
});

/** Counts a signal by how it ends. A result of false says that there is no workflow. */
export async function countSignal<Result>(message: string, send: () => Promise<Result>): Promise<Result> {
  try {
    const result = await send();
    signals.inc({ message, outcome: result === false ? 'no_workflow' : 'accepted' });
    return result;
  } catch (error) {
    signals.inc({ message, outcome: 'refused' });
    throw error;
  }
}
