import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

interface FoldableProps {
  title: string;
  hidden?: boolean;
  children: ComponentChildren;
}

/** A panel that begins open where it has room beside others, and closed where it would push them away. */
export function Foldable({ title, hidden = false, children }: FoldableProps) {
  const [isWide] = useState(() => matchMedia('(min-width: 60rem)').matches);
  return (
    <details class="panel" open={isWide} hidden={hidden}>
      <summary>
        <h2>{title}</h2>
      </summary>
      <div>{children}</div>
    </details>
  );
}
