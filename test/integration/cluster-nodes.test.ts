import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { withHostsInQuery } from '../../configuration/several-hosts.ts';
import { isConnectionLoss } from '../../supervision/connection-loss.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** Nodes of one cluster: one that is away, one that takes connections and answers nothing, and one that works. */
let away: TcpProxy;
let hanging: TcpProxy;
let working: TcpProxy;

beforeAll(async () => {
  const { host } = new URL(inject('servers').amqpUrl);
  [away, hanging, working] = await Promise.all([openTcpProxy(host), openTcpProxy(host), openTcpProxy(host)]);
  await away.cut();
  hanging.mute();
});
afterAll(() => Promise.all([hanging, working].map((proxy) => proxy?.cut())));

const urlOf = (...nodes: readonly { address: string }[]): string => {
  const { amqpUrl } = inject('servers');
  return withHostsInQuery(amqpUrl.replace(new URL(amqpUrl).host, nodes.map(({ address }) => address).join(',')));
};
const open = (amqpUrl: string) => openAmqp({ amqpUrl, connectionName: 'test' });
const refusalOf = (amqpUrl: string): Promise<unknown> =>
  open(amqpUrl).then(
    () => undefined,
    (error: unknown) => error,
  );

test('a node that is away and one that hangs are passed over, wherever they are in the list', async () => {
  const lists = [
    [away, hanging, working],
    [working, away, hanging],
    [hanging, working, away],
  ];
  // The order begins anywhere, so a few of the connections meet each node first.
  const connections = await Promise.all(
    Array.from({ length: 24 }, (_, index) => open(urlOf(...(lists[index % 3] ?? [])))),
  );
  expect(connections).toHaveLength(24);
  await Promise.all(connections.map((connection) => connection.close()));
}, 60_000);

test('when no node can be used, the error names each of them and counts as a lost connection', async () => {
  const error = await refusalOf(urlOf(away, hanging));
  expect(errorMessage(error)).toContain(`RabbitMQ at ${away.address} cannot be used`);
  expect(errorMessage(error)).toContain(`RabbitMQ at ${hanging.address} cannot be used`);
  expect(isConnectionLoss(error)).toBe(true);
}, 60_000);

test('a wrong password is fatal when every node refuses it, and is not while one is away', async () => {
  const wrong = (url: string): string => Object.assign(new URL(url), { password: 'wrong' }).href;
  expect(await refusalOf(wrong(urlOf(working, working)))).toBeInstanceOf(FatalError);
  const error = await refusalOf(wrong(urlOf(working, away)));
  expect(error).not.toBeInstanceOf(FatalError);
  expect(errorMessage(error)).toContain('Check user and password in AMQP_URL');
});

test('a virtual host that every node lacks is no lost connection', async () => {
  const url = Object.assign(new URL(urlOf(working, working)), { pathname: '/none' }).href;
  expect(await refusalOf(url)).toBeInstanceOf(CannotWork);
});
