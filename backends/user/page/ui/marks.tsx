import type { Instance, TimelineSource } from '../api/types.ts';

/** Each state has a shape of its own, so that colour alone tells nothing. */
const shapes = {
  circle: 'M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z',
  ring: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zm0 2a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z',
  triangle: 'M8 2 15 14H1z',
  square: 'M3.5 3.5h9v9h-9z',
  cross: 'm4.4 3 3.6 3.6L11.6 3 13 4.4 9.4 8l3.6 3.6-1.4 1.4L8 9.4 4.4 13 3 11.6 6.6 8 3 4.4z',
  diamond: 'm8 1.5 6.5 6.5L8 14.5 1.5 8z',
};

type Tone = 'good' | 'wait' | 'bad' | 'calm' | 'row' | 'workflow' | 'runtime';

const marks: Record<string, [shape: string, tone: Tone]> = {
  running: [shapes.circle, 'good'],
  live: [shapes.circle, 'good'],
  pending: [shapes.ring, 'wait'],
  waiting: [shapes.ring, 'wait'],
  connecting: [shapes.ring, 'wait'],
  reconnecting: [shapes.ring, 'wait'],
  delayed: [shapes.ring, 'wait'],
  failed: [shapes.triangle, 'bad'],
  stuck: [shapes.triangle, 'bad'],
  offline: [shapes.triangle, 'bad'],
  'dead letter': [shapes.triangle, 'bad'],
  stopped: [shapes.square, 'calm'],
  deleted: [shapes.cross, 'calm'],
  requested: [shapes.ring, 'wait'],
  queued: [shapes.ring, 'wait'],
  progressing: [shapes.ring, 'wait'],
  paused: [shapes.square, 'wait'],
  moved: [shapes.ring, 'wait'],
  checking: [shapes.ring, 'wait'],
  ramping: [shapes.ring, 'wait'],
  promoting: [shapes.ring, 'wait'],
  promoted: [shapes.circle, 'good'],
  drained: [shapes.circle, 'good'],
  completed: [shapes.circle, 'good'],
  healthy: [shapes.circle, 'good'],
  'rolling back': [shapes.triangle, 'bad'],
  'rolled back': [shapes.triangle, 'bad'],
  refused: [shapes.triangle, 'bad'],
  aborted: [shapes.cross, 'calm'],
  superseded: [shapes.cross, 'calm'],
  left: [shapes.square, 'calm'],
  reverted: [shapes.diamond, 'calm'],
  row: [shapes.circle, 'row'],
  workflow: [shapes.diamond, 'workflow'],
  runtime: [shapes.square, 'runtime'],
};

function markOf(name: string): [shape: string, tone: Tone] {
  return marks[name] ?? [shapes.diamond, 'calm'];
}

/** CSS classes of a state or a source: its name, and the colour that it has. */
export function markClass(name: string): string {
  return `is-${name.replaceAll(' ', '-')} tone-${markOf(name)[1]}`;
}

/** The shape of a state or a source. It is hidden from screen readers, because a word always stands next to it. */
export function Mark({ of: name }: { of: string }) {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true" class={`mark ${markClass(name)}`}>
      <path d={markOf(name)[0]} />
    </svg>
  );
}

/** A state as a shape, a colour and a word. */
export function Badge({ state, word = state }: { state: string; word?: string }) {
  return (
    <span class={`badge inline ${markClass(state)}`}>
      <Mark of={state} />
      {word}
    </span>
  );
}

export function SourceLabel({ source }: { source: TimelineSource }) {
  return <span class={`source ${markClass(source)}`}>{source}</span>;
}

/** What is about to change of an instance; '' when nothing is. */
export function pendingChange(instance: Instance): string {
  const { status, desired_state: desired, generation, observed_generation: observed, reason } = instance;
  if (reason?.code === 'restarting') return 'restarts after a pause';
  if (reason?.code === 'host_lost') return 'its host is lost';
  if (reason?.code === 'no_host') return 'waits for a host';
  if (reason?.code === 'moving') return 'moves to another host …';
  if (reason?.code === 'agent_unknown') return 'its agent is not published yet';
  if (generation === observed) return '';
  if (desired === 'stopped') return status === 'stopped' ? '' : 'stopping …';
  return status === 'running' ? 'starting anew …' : 'starting …';
}
