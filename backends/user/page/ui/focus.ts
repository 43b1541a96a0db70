/** Moves the focus to the heading, where screen readers begin to read a view. */
export function focusHeading(): void {
  const heading = document.querySelector('h1');
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

/** Moves the focus to the heading whenever the element that had it is removed: from the body, keyboards would begin anew. */
export function rescueFocus(): void {
  let focused: Element | undefined;
  addEventListener('focusin', ({ target }) => (focused = target instanceof Element ? target : undefined));
  new MutationObserver(() => {
    if (!focused || focused.isConnected) return;
    focused = undefined;
    if (document.activeElement === document.body) focusHeading();
  }).observe(document.body, { childList: true, subtree: true });
}
