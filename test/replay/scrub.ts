import { hostname, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Texts that name the machine of a recording, and their replacements. Replay ignores them. */
const places: readonly [from: string | RegExp, to: string][] = [
  [root, ''],
  [tmpdir(), '/tmp'],
  [/\d+@[\w.-]+/g, 'worker'],
  [/test_[0-9a-f]{32}/g, 'test'],
  [hostname(), 'host'],
];

/** What Temporal and the SDK note for themselves. Replay does not read it. */
const notes = new Set(['taskId', 'requestId', 'historySizeBytes', 'workerVersion', 'meteringMetadata', 'stackTrace']);

/** A history in Temporal's JSON form, an event a line, without what is only true of the machine it was recorded on. */
export function toText(history: History): string {
  const { events } = JSON.parse(historyToJSON(history)) as { events: Json[] };
  return `{"events":[\n${events.map((event) => JSON.stringify(scrub(event))).join(',\n')}\n]}\n`;
}

/** The decoded texts of all payloads of the history. */
export function readPayloads(text: string): string {
  return [...text.matchAll(/"data":"([^"]*)"/g)].map(([, data = '']) => decode(data)).join('\n');
}

function scrub(value: Json, key = ''): Json {
  if (typeof value === 'string') return key === 'data' ? encode(withoutPlaces(decode(value))) : withoutPlaces(value);
  if (Array.isArray(value)) return value.map((item) => scrub(item));
  if (typeof value !== 'object' || value === null) return value;
  const read = Object.entries(value).filter(([name]) => !notes.has(name));
  return Object.fromEntries(read.map(([name, item]) => [name, scrub(item, name)]));
}

function withoutPlaces(text: string): string {
  return places.reduce((before, [from, to]) => before.replaceAll(from, to), text);
}

const decode = (data: string): string => Buffer.from(data, 'base64').toString('utf8');
const encode = (text: string): string => Buffer.from(text).toString('base64');
