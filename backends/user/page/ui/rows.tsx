import type { ComponentChildren, VNode } from 'preact';
import { Action } from './action.tsx';

interface RowsProps<Item> {
  items: readonly Item[];
  /** An item as a row with a key. */
  row: (item: Item) => VNode;
  /** Shown where there is no item. */
  empty: ComponentChildren;
  label?: string;
  /** The order of the items means something. */
  isOrdered?: boolean;
  /** Loads further items, where there are some. */
  more?: (() => Promise<void>) | false;
}

/** A list of things, each in a row. */
export function Rows<Item>({ items, row, empty, label, isOrdered, more }: RowsProps<Item>) {
  const List = isOrdered ? 'ol' : 'ul';
  return (
    <>
      {items.length === 0 ? (
        <Empty>{empty}</Empty>
      ) : (
        <List class="panel rows" aria-label={label}>
          {items.map(row)}
        </List>
      )}
      {more && <Action onAction={more}>Show more</Action>}
    </>
  );
}

/** A panel that says why there is nothing, and what can be done. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="panel empty stack">{children}</div>;
}
