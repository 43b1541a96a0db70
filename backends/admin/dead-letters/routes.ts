import { z } from 'zod';
import { NotInEventLog } from '../../../bridge/dead-letters/check-against-log.ts';
import { inspectedLetterJson, inspectedToJson, letterToJson } from '../../../bridge/dead-letters/letter-json.ts';
import { describeRoute } from '../../http/open-api.ts';
import { notFound, ProblemError, problems } from '../../http/problem.ts';
import { createReadLanes } from '../../http/read-lanes.ts';
import type { HttpServer } from '../../http/server.ts';
import type { DeadLetters } from './dead-letters.ts';
import { letterList, letterPath, letterQuery } from './schemas.ts';

const list = describeRoute(
  'listDeadLetters',
  'List the messages that no consumer could handle, by queue, oldest first',
  {
    querystring: letterQuery,
    response: { 200: letterList, ...problems() },
  },
);

const read = describeRoute('readDeadLetter', 'Read a dead letter and leave it in its queue', {
  params: letterPath,
  response: { 200: inspectedLetterJson, ...problems(404) },
});

const send = describeRoute('sendDeadLetter', 'Send a dead letter to its queue again', {
  description:
    'It becomes a dead letter again, with the same id, if the cause was not repaired. A letter that differs from the ' +
    'event log may be forged, so it is refused and stays where it is.',
  params: letterPath,
  response: { 200: z.object({ sent: z.literal(true) }), ...problems(404, 422) },
});

export function addDeadLetterRoutes(app: HttpServer, deadLetters: DeadLetters): void {
  // Each call opens a connection to RabbitMQ.
  const inLane = createReadLanes({ perUser: 2, overall: 4 });

  app.get('/v1/dead-letters', { schema: list }, async (request) => {
    const { queue, instance_id: instanceId, limit } = request.query;
    const { letters, notes } = await inLane(request, () => deadLetters.list({ queue, instanceId, limit }));
    return { letters: letters.map(letterToJson), not_looked_at: notes };
  });

  app.get('/v1/dead-letters/:queue/:letter_id', { schema: read }, async (request) => {
    const { queue, letter_id: letterId } = request.params;
    const found = await inLane(request, () => deadLetters.inspect({ queue, letterId }));
    if (!found) throw noLetter(letterId);
    return inspectedToJson(found);
  });

  app.post('/v1/dead-letters/:queue/:letter_id/send', { schema: send }, async (request) => {
    const { queue, letter_id: letterId } = request.params;
    const sent = await inLane(request, () => deadLetters.sendAgain({ queue, letterId }).catch(refuse));
    if (sent === 'not found') throw noLetter(letterId);
    return { sent: true as const };
  });
}

function noLetter(letterId: string): ProblemError {
  return notFound(`dead letter ${letterId} in this queue (any more)`);
}

function refuse(error: unknown): never {
  if (!(error instanceof NotInEventLog)) throw error;
  const detail = `The letter is refused: ${error.message}. It stays where it is.`;
  throw new ProblemError(422, 'not_in_event_log', detail, { cause: error });
}
