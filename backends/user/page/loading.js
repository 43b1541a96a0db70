import { fill, h } from './dom.js';
import { wordsOf } from './notice.js';

/**
 * Shows what is loaded; until then that it is being loaded; after a failure why, and a way to try again. What was shown
 * before stays while it is loaded again.
 *
 * @template Value
 * @param {object} options
 * @param {Element} options.into
 * @param {() => Promise<Value>} options.load
 * @param {(value: Value) => void} options.show
 * @param {AbortSignal} options.signal after it, nothing is shown any more
 */
export async function loadInto({ into, load, show, signal }) {
  if (into.childElementCount === 0) fill(into, h('p', { class: 'quiet' }, 'Loading …'));
  try {
    const value = await load();
    if (!signal.aborted) show(value);
  } catch (error) {
    if (signal.aborted) return;
    const again = () => void loadInto({ into, load, show, signal });
    fill(
      into,
      h('p', { role: 'alert' }, wordsOf(error)),
      h('p', {}, h('button', { type: 'button', onclick: again, 'data-key': 'again' }, 'Try again')),
    );
  }
}

/**
 * A function that runs the work soon, once for many calls, never twice at the same time.
 *
 * @param {() => Promise<unknown>} work
 * @param {AbortSignal} signal
 * @returns {(delayMs?: number) => void}
 */
export function createRefresher(work, signal) {
  /** When the next run is due. */
  let due = Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isRunning = false;

  const run = async () => {
    due = Infinity;
    isRunning = true;
    await work().finally(() => {
      isRunning = false;
    });
    if (due !== Infinity) arm();
  };
  const arm = () => {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(() => void run(), Math.max(0, due - Date.now()));
  };
  signal.addEventListener('abort', () => clearTimeout(timer));

  return (delayMs = 250) => {
    if (Date.now() + delayMs >= due) return;
    due = Date.now() + delayMs;
    if (!isRunning) arm();
  };
}
