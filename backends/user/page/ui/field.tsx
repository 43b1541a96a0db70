import type { ComponentChildren } from 'preact';

interface FieldProps {
  /** Id of the control. */
  id: string;
  label: string;
  children: ComponentChildren;
}

/** A control below its label. */
export function Field({ id, label, children }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
    </div>
  );
}
