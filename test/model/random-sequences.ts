import fc, { type Arbitrary } from 'fast-check';
import { agentNames, type AgentName } from './agents.ts';
import {
  configure,
  end,
  insert,
  move,
  pause,
  publish,
  redeliver,
  remove,
  rest,
  retire,
  retry,
  takeBack,
  terminate,
  toggle,
  type Command,
  type Ending,
} from './commands.ts';

const maxCommands = 12;

const agentName = fc.constantFrom(...agentNames);
/** Most commands concern running agents. */
const firstAgent = fc.constantFrom<AgentName>('plain', 'plain', 'slow', 'resilient', 'tireless', 'late', 'broken');
const desired = fc.constantFrom('running', 'running', 'running', 'stopped');

/** Most agents are met while they run, some while they start or are stopped. */
const ending = fc.record({
  how: fc.constantFrom<Ending['how']>('kill', 'kill', 'exit'),
  afterRest: fc.constantFrom(true, true, false),
});

export const firstCommand: Arbitrary<Command> = fc.tuple(firstAgent, desired).map(insert);

/** An arbitrary that is listed twice is drawn twice as often. */
export const furtherCommands: Arbitrary<Iterable<Command>> = fc.commands(
  [
    fc.tuple(firstAgent, desired).map(insert),
    fc.tuple(firstAgent, desired).map(insert),
    fc.constant(configure()),
    fc.constant(configure()),
    agentName.map(move),
    agentName.map(move),
    fc.constant(toggle()),
    fc.constant(toggle()),
    fc.constant(retry()),
    fc.constant(retry()),
    fc.constant(remove()),
    fc.constant(publish()),
    fc.constant(publish()),
    fc.boolean().map(retire),
    fc.boolean().map(retire),
    fc.constant(takeBack()),
    fc.constant(takeBack()),
    fc.constant(takeBack()),
    ending.map(end),
    ending.map(end),
    ending.map(end),
    ending.map(end),
    ending.map(end),
    ending.map(end),
    fc.constant(terminate()),
    fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 6 }).map(redeliver),
    fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 6 }).map(redeliver),
    fc.integer({ min: 1, max: 150 }).map(pause),
    fc.integer({ min: 1, max: 150 }).map(pause),
    fc.constant(rest()),
    fc.constant(rest()),
    fc.constant(rest()),
    fc.constant(rest()),
  ],
  { maxCommands, size: 'max' },
);
