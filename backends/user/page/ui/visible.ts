import { options, type VNode } from 'preact';

/** Attributes that people read. */
const spoken = ['title', 'aria-label', 'placeholder', 'alt'];

/** Characters that show nothing, or change how the text around them is shown: controls, directions, halves of characters. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const harmless = /\n|\t|\uFE0E|\uFE0F/;

/** Replaces characters that cannot be seen by their escapes, e.g. `\\u202e`. */
export function visible(text: string): string {
  return text.replaceAll(unseen, (character) => {
    if (harmless.test(character)) return character;
    const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
  });
}

/**
 * Makes every text that Preact renders visible, because names and outputs of agents may try to deceive. Preact passes each
 * text to `options.vnode` as a node without a type, whose props are the text. A signal must not be a child itself: it would
 * write its text into the page without this hook.
 */
export function renderOnlyVisibleText(): void {
  const before = options.vnode?.bind(options);
  options.vnode = (node: VNode) => {
    const { type, props } = node as unknown as { type: unknown; props: unknown };
    if (type === null && typeof props === 'string') Object.assign(node, { props: visible(props) });
    if (typeof type === 'string') {
      const attributes = props as Record<string, unknown>;
      for (const name of spoken) {
        const value = attributes[name];
        if (typeof value === 'string') attributes[name] = visible(value);
      }
    }
    before?.(node);
  };
}
