import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';

/**
 * A handler of a button or a form that ignores further events while the work of the first goes on. A busy button is not
 * disabled, because that would take the focus away; it gets `aria-disabled`.
 */
export function useOneAtATime(work: (event: Event) => Promise<unknown>) {
  const isBusy = useSignal(false);
  const run = async (event: Event): Promise<void> => {
    isBusy.value = true;
    await work(event).finally(() => {
      isBusy.value = false;
    });
  };
  const handle = (event: Event): void => {
    event.preventDefault();
    if (!isBusy.peek()) void run(event);
  };
  return { isBusy: isBusy.value, handle };
}

interface ActionProps {
  onAction: () => Promise<unknown>;
  children: ComponentChildren;
}

/** A button whose action is not begun twice at the same time. */
export function Action({ onAction, children }: ActionProps) {
  const { isBusy, handle } = useOneAtATime(onAction);
  return (
    <button type="button" aria-disabled={isBusy} onClick={handle}>
      {children}
    </button>
  );
}
