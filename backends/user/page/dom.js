/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element. Attributes that are undefined, null or false are left out; `on…` names a listener; `value`, `checked` and
 * the like set what a form shows. Texts become text nodes, never markup.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (name === 'value') Object.assign(element, { value });
    else element.setAttribute(name, value === true ? '' : spoken.has(name) ? visible(String(value)) : String(value));
  }
  element.append(...present(children.flat()));
  return element;
}

/**
 * A small drawing in the colour of its text, hidden from screen readers: a word always stands next to it.
 *
 * @param {string} name also its class
 * @param {...string} paths the `d` of each, in a box of 16 by 16
 */
export function drawing(name, ...paths) {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', `mark ${name}`);
  for (const d of paths) {
    const path = document.createElementNS(namespace, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

/**
 * @param {string} id of an element of index.html
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/**
 * Puts new content into an element. What has the focus is known by its `data-key`, and gets it again.
 *
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function fill(parent, ...children) {
  keepFocus(parent, () => parent.replaceChildren(...present(children.flat())));
}

/**
 * Shows one element for each item, in their order. An element is made anew only when its item is another object.
 *
 * @template {object} Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => Element} render
 */
export function fillByKey(parent, items, keyOf, render) {
  keepFocus(parent, () => {
    const before = new Map([...parent.children].map((element) => [rendered.get(element)?.key, element]));
    const elements = items.map((item) => {
      const old = before.get(keyOf(item));
      if (old && rendered.get(old)?.item === item) return old;
      const element = render(item);
      rendered.set(element, { key: keyOf(item), item });
      return element;
    });
    if (elements.length !== parent.children.length || elements.some((element, i) => parent.children[i] !== element)) {
      parent.replaceChildren(...elements);
    }
  });
}

/** @type {WeakMap<Element, { key: string, item: object }>} */
const rendered = new WeakMap();

/**
 * @param {Element} parent
 * @param {() => void} change
 */
function keepFocus(parent, change) {
  const focused = document.activeElement;
  const had = focused instanceof HTMLElement && parent.contains(focused) ? focused : undefined;
  change();
  if (!had || document.activeElement === had) return;
  focusAgain(had);
}

/**
 * Gives the focus back to a control, or to that which was drawn in its place.
 *
 * @param {HTMLElement} control
 */
export function focusAgain(control) {
  const { key } = control.dataset;
  const again = control.isConnected ? control : key && document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (again instanceof HTMLElement) again.focus({ preventScroll: true });
  else focusHeading();
}

/** Where screen readers begin to read a view, and where the focus goes that has lost its place. */
export function focusHeading() {
  const heading = document.querySelector('h1');
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function present(children) {
  return children.flatMap((child) =>
    child === null || child === undefined || child === false
      ? []
      : [child instanceof Node ? child : visible(String(child))],
  );
}

/** Attributes that are read by people. */
const spoken = new Set(['title', 'aria-label', 'placeholder', 'alt']);

/** Shows nothing, or changes how the text around it is shown: controls, directions, what is invisible, halves of characters. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const harmless = /\n|\t|\uFE0E|\uFE0F/;

/**
 * A text in which nothing is hidden: what cannot be seen is shown, e.g. as `\\u202e`.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replaceAll(unseen, (character) => {
    if (harmless.test(character)) return character;
    const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
  });
}
