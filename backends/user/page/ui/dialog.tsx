import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';

interface Question {
  title: string;
  content: ComponentChildren;
  action: string;
  /** The action cannot be undone. */
  isDangerous?: boolean;
}

const asked = signal<{ question: Question; answer: (form: FormData | undefined) => void } | undefined>(undefined);

/** Asks in a dialog. Resolves with the form of its content when confirmed, else with undefined. */
export function confirm(question: Question): Promise<FormData | undefined> {
  return new Promise((resolve) => {
    const answer = (form: FormData | undefined): void => {
      asked.value = undefined;
      resolve(form);
    };
    asked.value = { question, answer };
  });
}

/** The place of the dialog. The browser moves the focus into it, to Cancel, and back to where it was. */
export function DialogPlace() {
  if (!asked.value) return null;
  const { question, answer } = asked.value;
  const close = ({ currentTarget: dialog }: { currentTarget: HTMLDialogElement }): void =>
    answer(dialog.returnValue === 'confirm' ? new FormData(dialog.querySelector('form') ?? undefined) : undefined);
  return (
    <dialog aria-labelledby="dialog-title" ref={showModal} onClose={close}>
      <form method="dialog" class="stack">
        <h2 id="dialog-title">{question.title}</h2>
        {question.content}
        <div class="line">
          <button type="submit" value="cancel" autofocus>
            Cancel
          </button>
          <button type="submit" value="confirm" class={question.isDangerous ? 'danger' : 'primary'}>
            {question.action}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function showModal(dialog: HTMLDialogElement | null): void {
  if (dialog && !dialog.open) dialog.showModal();
}
