import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { stringify } from 'yaml';
import { z } from 'zod';
import { runServer } from '../../../stack/server.ts';
import { freePorts } from '../kubernetes/free-ports.ts';
import type { MonitoringPrograms } from './programs.ts';

const webhook = z.object({
  alerts: z.array(z.object({ status: z.enum(['firing', 'resolved']), labels: z.record(z.string(), z.string()) })),
});

/** Debian's Alertmanager has its templates at a fixed path. The mount is the program's own, and ends with it. */
const withTemplates = `
templates=$1
shift
mount -t tmpfs tmpfs /usr/share
mkdir -p /usr/share/prometheus/alertmanager
cp "$templates"/*.tmpl /usr/share/prometheus/alertmanager
exec "$@"
`;

/** An Alertmanager, and what it tells whoever is on duty. */
export async function startAlertmanager({ programs, folder }: { programs: MonitoringPrograms; folder: string }) {
  await mkdir(folder, { recursive: true });
  const told: string[] = [];
  const onDuty = createServer((request, response) => {
    const take = async (): Promise<void> => {
      for (const { status, labels } of webhook.parse(JSON.parse(await text(request))).alerts)
        told.push(`${labels['alertname']} ${status}`);
      response.end();
    };
    void take();
  }).listen(0, '127.0.0.1');
  await once(onDuty, 'listening');
  const [port] = await freePorts(1);
  const config = join(folder, 'alertmanager.yml');
  const url = `http://127.0.0.1:${(onDuty.address() as AddressInfo).port}`;
  await writeFile(
    config,
    stringify({
      route: { receiver: 'on-duty', group_by: ['alertname'], group_wait: '0s', group_interval: '1s' },
      receivers: [{ name: 'on-duty', webhook_configs: [{ url, send_resolved: true }] }],
    }),
  );
  const address = `127.0.0.1:${port}`;
  const server = await runServer({
    name: 'Alertmanager',
    folder,
    command: 'unshare',
    args: [
      '--mount',
      '--propagation=private',
      'sh',
      '-euc',
      withTemplates,
      'sh',
      programs.alertmanagerTemplates,
      programs.alertmanager,
      `--config.file=${config}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
      '--log.level=warn',
    ],
    probe: async () => {
      const { ok, status } = await fetch(`http://${address}/-/ready`);
      if (!ok) throw new Error(`it answered with ${status}`);
    },
  });
  return {
    address,
    /** What it told, in order, e.g. `EventBrokerAway firing`. */
    told,
    stop: async () => {
      await server.stop();
      onDuty.close();
    },
  };
}
