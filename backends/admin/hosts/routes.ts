import type { Pool } from 'pg';
import { hostJson } from '../../../database/hosts/host-json.ts';
import { describeRoute } from '../../http/open-api.ts';
import { problems } from '../../http/problem.ts';
import type { HttpServer } from '../../http/server.ts';
import { drainHost, forgetHost, listHosts, undrainHost } from './hosts.ts';
import { hostDrain, hostList, hostPath } from './schemas.ts';

const list = describeRoute('listHosts', 'List the hosts that run agents, by name', {
  response: { 200: hostList, ...problems() },
});

const drain = describeRoute('drainHost', 'Move all instances of a host to other hosts', {
  description:
    'From now on, no instance is placed on the host. Those that are placed there move one after the other. An instance that fits ' +
    'on no other host stays until one fits. Repeat the request to change how many move at once.',
  params: hostPath,
  body: hostDrain,
  response: { 200: hostJson, ...problems(404) },
});

const undrain = describeRoute('undrainHost', 'Place instances on a host again', {
  params: hostPath,
  response: { 200: hostJson, ...problems(404) },
});

const forget = describeRoute('forgetHost', 'Forget a lost host', {
  description:
    'Its instances are placed on other hosts at once. Whoever forgets a host vouches that none of its agents runs any more, e.g. ' +
    'because the machine is gone: otherwise an instance has two agents. A host whose lease holds is refused.',
  params: hostPath,
  response: { 200: hostJson, ...problems(404, 409) },
});

export function addHostRoutes(app: HttpServer, pool: Pool): void {
  app.get('/v1/hosts', { schema: list }, async () => ({ hosts: await listHosts(pool) }));

  app.post('/v1/hosts/:id/drain', { schema: drain }, ({ params, body }) => drainHost(pool, params.id, body.at_once));

  app.post('/v1/hosts/:id/undrain', { schema: undrain }, ({ params }) => undrainHost(pool, params.id));

  app.delete('/v1/hosts/:id', { schema: forget }, ({ params }) => forgetHost(pool, params.id));
}
