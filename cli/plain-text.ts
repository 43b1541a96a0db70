import { stripVTControlCharacters } from 'node:util';

/** Characters that are invisible or change how the text around them is shown: controls, directions, halves of characters. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const newlineOrEmoji = /\n|\uFE0E|\uFE0F/;

/** Text of others (agents, messages) without colours. Other characters that would steer the terminal are shown, e.g. as `\\u202e`. */
export function plain(text: string): string {
  return showUnseen(stripVTControlCharacters(text).replaceAll('\t', '  ').replaceAll('\r\n', '\n'));
}

/** The same on one line, for a table. */
export function plainLine(text: string): string {
  return plain(text).replaceAll('\n', ' ');
}

/** JSON that reads back the same, in which no character steers the terminal. */
export function toJson(value: unknown, indent?: number): string {
  return showUnseen(JSON.stringify(value, undefined, indent));
}

function showUnseen(text: string): string {
  return text.replaceAll(unseen, (character) => {
    if (newlineOrEmoji.test(character)) return character;
    return Array.from({ length: character.length }, (_, index) => {
      const unit = character.charCodeAt(index).toString(16).padStart(4, '0');
      return `\\u${unit}`;
    }).join('');
  });
}
