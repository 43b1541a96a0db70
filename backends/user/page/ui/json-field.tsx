import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import type { Json } from '../api/types.ts';
import { Field } from './form.tsx';

export type JsonField = ReturnType<typeof useJsonField>;

/** State of a box for a JSON object. */
export function useJsonField(initial?: Json) {
  const text = useSignal(initial ? toText(initial) : '');
  const problem = useSignal('');
  const box = useRef<HTMLTextAreaElement>(null);
  return {
    text: text.value,
    /** What is wrong with the text; '' when nothing is, or when nobody has read it yet. */
    problem: problem.value,
    box,
    write: (written: string): void => {
      text.value = written;
      // A problem shows up when the form is sent: while somebody writes, it would come too soon.
      if (problem.value !== '') problem.value = parse(written).problem;
    },
    set: (value: Json): void => {
      text.value = toText(value);
      problem.value = '';
    },
    /** The object. When the text is none, says so, moves the focus to the box and returns undefined. */
    read: (): Json | undefined => {
      const parsed = parse(text.value);
      problem.value = parsed.problem;
      if (!parsed.value) box.current?.focus();
      return parsed.value;
    },
  };
}

interface JsonBoxProps {
  field: JsonField;
  id: string;
  label: string;
  help: string;
  rows?: number;
  placeholder?: string;
  children?: ComponentChildren;
}

/** A box for a JSON object, which says what is wrong with its text. */
export function JsonBox({ field, id, label, help, rows = 6, placeholder, children }: JsonBoxProps) {
  return (
    <Field id={id} label={label}>
      <textarea
        id={id}
        ref={field.box}
        rows={rows}
        class="code"
        spellcheck={false}
        autocapitalize="off"
        {...(placeholder !== undefined && { placeholder })}
        aria-describedby={`${id}-problem ${id}-help`}
        aria-invalid={field.problem !== ''}
        value={field.text}
        onInput={({ currentTarget }) => field.write(currentTarget.value)}
      />
      <p id={`${id}-problem`} class="problem small bad" role="alert">
        {field.problem}
      </p>
      <p id={`${id}-help`} class="small quiet">
        {help}
      </p>
      {children}
    </Field>
  );
}

export function toText(value: Json): string {
  return JSON.stringify(value, null, 2);
}

/** An empty text is an empty object. */
function parse(text: string): { value?: Json; problem: string } {
  if (text.trim() === '') return { value: {}, problem: '' };
  try {
    const value = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { value, problem: '' };
    return { problem: 'It has to be a JSON object, in curly brackets: {"name": "value"}.' };
  } catch (error) {
    return { problem: `This is not JSON: ${error instanceof Error ? error.message : String(error)}.` };
  }
}
