import { render } from 'preact';
import { App } from './app.tsx';
import { readAddress } from './router.ts';
import { begin } from './session.ts';
import { rescueFocus } from './ui/focus.ts';
import { renewNotices } from './ui/notice.tsx';
import { renderOnlyVisibleText } from './ui/visible.ts';

const place = document.getElementById('page');
if (!place) throw new Error('index.html has no #page.');

renderOnlyVisibleText();
rescueFocus();
addEventListener('hashchange', () => {
  renewNotices();
  if (location.hash.startsWith('#token=')) void begin();
  else readAddress();
});
void begin();
render(<App />, place);
