import { h } from '../dom.js';
import { clockElement, dayOf, duration, withShortIds } from '../format.js';
import { markOf, sourceLabel } from '../marks.js';
/** @import { TimelineLine } from '../types.ts' */

/** Where a text begins to quote what an agent printed. */
const quotation = /(?<=Its last output:) |\n/;

/** A pause that is worth a word. */
const pauseMs = 1_000;

/**
 * Each line with its mark, its time and its source; a new day and a pause before it are said.
 *
 * @param {readonly TimelineLine[]} lines oldest first
 */
export function timelineItems(lines) {
  return lines.map((line, index) => {
    const before = lines[index - 1]?.time ?? null;
    const { time, source, text, bad } = line;
    const at = text.search(quotation);
    const [first, quoted] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
    return h(
      'li',
      { class: bad ? 'bad' : '', 'data-source': source },
      time !== null && (before === null || dayOf(before) !== dayOf(time)) && h('h3', {}, dayOf(time)),
      pauseWords(before, time),
      h(
        'div',
        { class: 'entry' },
        markOf(source),
        h(
          'p',
          { class: 'entry-head' },
          time === null ? h('span', { class: 'quiet' }, 'time unknown') : clockElement(time),
          sourceLabel(source),
          bad && h('span', { class: 'tag bad' }, 'went wrong'),
        ),
        h('p', { class: 'entry-text' }, withShortIds(first)),
        quoted !== '' && h('pre', {}, quoted),
      ),
    );
  });
}

/**
 * @param {string | null} before
 * @param {string | null} time
 */
function pauseWords(before, time) {
  if (before === null || time === null) return undefined;
  const ms = Date.parse(time) - Date.parse(before);
  return ms >= pauseMs && h('p', { class: 'pause' }, `${duration(ms)} later`);
}
