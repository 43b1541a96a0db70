import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { stringify } from 'yaml';
import { runCommand } from '../../../stack/command.ts';
import { stackRoot } from '../../../stack/paths.ts';
import { endProcess, endRecorded } from '../../../stack/process-reference.ts';
import { spawnServer, untilReady } from '../../../stack/server.ts';
import { openAuthority } from '../certificates.ts';
import { freePorts } from './free-ports.ts';
import type { ApiPrograms, NodePrograms } from './programs.ts';
import {
  bridgeAddress,
  containerdToml,
  inMountsOf,
  inOwnMounts,
  kubeletConfiguration,
  networkOf,
} from './node-settings.ts';
import { installDefinition, type SandboxFiles } from './sandboxes.ts';
import { writeTestImages } from './test-images.ts';

/** The name of the one node, and the address at which the API server finds its kubelet, which must not be an address of loopback. */
export const nodeName = 'localhost';

/** Each controller then has a tree of its own. */
const hasControlGroupsV1 = existsSync('/sys/fs/cgroup/memory');

/** Those of a cluster that runs pods, without those of clouds, volumes and certificates. */
const controllers = [
  'daemonset-controller',
  'deployment-controller',
  'disruption-controller',
  'endpointslice-controller',
  'garbage-collector-controller',
  'job-controller',
  'namespace-controller',
  'node-lifecycle-controller',
  'pod-garbage-collector-controller',
  'replicaset-controller',
  'resourcequota-controller',
  'root-ca-certificate-publisher-controller',
  'serviceaccount-controller',
  'statefulset-controller',
  'taint-eviction-controller',
];

export type OwnCluster = ReturnType<typeof ownCluster>;

/**
 * A cluster of the tests' own on this machine: etcd and an API server. Where there are programs for a node, it also has the
 * scheduler, the controllers and a node for real pods. Otherwise nothing but the tests changes an object.
 */
export function ownCluster(name: string, { etcd, apiServer, node }: ApiPrograms & { node?: NodePrograms | undefined }) {
  const directory = join(stackRoot, `kubernetes-${name}`);
  // The names of sockets may not be long.
  const running = join(tmpdir(), `kubernetes-${name}-${digestOf(directory)}`);
  const kubeconfig = join(directory, 'admin.kubeconfig');
  const socket = join(running, 'containerd.sock');
  const bridge = `k8s-${digestOf(directory).slice(0, 8)}`;
  /** The control groups of its pods. A kubelet ends whatever it does not know in its group, such as the pods of another kubelet. */
  const cgroup = hasControlGroupsV1 ? `kubernetes-${digestOf(directory)}` : undefined;
  const recordOf = (server: string): string => join(directory, server, 'process.json');
  let ports = { etcd: 0, peer: 0, api: 0, kubelet: 0, sandboxes: 0 };

  async function spawn(server: string, args: string[], probe: () => Promise<unknown>): Promise<number> {
    const [command = '', ...rest] = args;
    const logFile = join(directory, 'logs', `${server}.log`);
    mkdirSync(join(directory, server), { recursive: true });
    const reference = await spawnServer({
      // A test run that is killed takes its cluster along.
      command: process.platform === 'linux' ? 'setpriv' : command,
      args: process.platform === 'linux' ? ['--pdeathsig=TERM', command, ...rest] : rest,
      logFile,
      recordFile: recordOf(server),
    });
    await untilReady({ name: server, reference, logFile, probe, timeoutMs: 60_000 }).catch(async (error: unknown) => {
      await endProcess(reference);
      throw error;
    });
    return reference.pid;
  }

  function writeFiles(): void {
    for (const folder of [directory, running, join(directory, 'etcd-data'), join(directory, 'cni')]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    using authority = openAuthority();
    copyFileSync(authority.caFile, join(directory, 'ca.pem'));
    for (const role of ['api-server', 'kubelet', 'kubelet-client']) {
      const { cert, key } = authority.sign(`IP:127.0.0.1,DNS:localhost,IP:${bridgeAddress}`);
      writeFileSync(join(directory, `${role}.pem`), cert);
      writeFileSync(join(directory, `${role}.key`), key, { mode: 0o600 });
    }
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(join(directory, 'accounts.key'), pem, { mode: 0o600 });
    const token = randomBytes(24).toString('hex');
    writeFileSync(join(directory, 'tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 });
    writeFileSync(kubeconfig, kubeconfigOf(token), { mode: 0o600 });
  }

  function kubeconfigOf(token: string): string {
    const server = `https://127.0.0.1:${ports.api}`;
    return stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'own', cluster: { server, 'certificate-authority': join(directory, 'ca.pem') } }],
      users: [{ name: 'own', user: { token } }],
      contexts: [{ name: 'own', context: { cluster: 'own', user: 'own' } }],
      'current-context': 'own',
    });
  }

  function connect(): CoreV1Api {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    return config.makeApiClient(CoreV1Api);
  }

  async function startApi(): Promise<void> {
    const flags = {
      'etcd-servers': `http://127.0.0.1:${ports.etcd}`,
      'bind-address': '127.0.0.1',
      'secure-port': ports.api,
      'cert-dir': join(directory, 'api-certificates'),
      'tls-cert-file': join(directory, 'api-server.pem'),
      'tls-private-key-file': join(directory, 'api-server.key'),
      'token-auth-file': join(directory, 'tokens.csv'),
      'authorization-mode': 'RBAC',
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-account-key-file': join(directory, 'accounts.key'),
      'service-account-signing-key-file': join(directory, 'accounts.key'),
      'service-cluster-ip-range': '10.96.0.0/24',
      'kubelet-client-certificate': join(directory, 'kubelet-client.pem'),
      'kubelet-client-key': join(directory, 'kubelet-client.key'),
      'kubelet-preferred-address-types': 'Hostname',
      'endpoint-reconciler-type': 'none',
      'watch-cache': true,
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    await spawn('kube-apiserver', [apiServer, ...args], () => connect().readNamespace({ name: 'default' }));
  }

  async function startEtcd(): Promise<void> {
    const client = `http://127.0.0.1:${ports.etcd}`;
    const peer = `http://127.0.0.1:${ports.peer}`;
    const flags = [
      ['name', 'default'],
      ['data-dir', join(directory, 'etcd-data')],
      ['listen-client-urls', client],
      ['advertise-client-urls', client],
      ['listen-peer-urls', peer],
      ['initial-advertise-peer-urls', peer],
      ['initial-cluster', `default=${peer}`],
      ['log-level', 'warn'],
    ];
    const args = [...flags.map(([flag, value]) => `--${flag}=${value}`), '--unsafe-no-fsync'];
    await spawn('etcd', [etcd, ...args], async () => {
      const { ok } = await fetch(`${client}/health`);
      if (!ok) throw new Error('etcd is not healthy yet');
    });
  }

  /** Both follow the API server by themselves, and serve nothing that the tests ask. */
  async function startControllers({ scheduler, controllerManager }: NodePrograms): Promise<void> {
    const flags = [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0'];
    const nothing = async (): Promise<void> => {};
    await spawn('kube-scheduler', [scheduler, ...flags], nothing);
    const ofController = [
      `--controllers=${controllers.join(',')}`,
      `--service-account-private-key-file=${join(directory, 'accounts.key')}`,
      `--root-ca-file=${join(directory, 'ca.pem')}`,
      // A busy machine must not make the node a lost one.
      '--node-monitor-grace-period=10m',
      '--concurrent-gc-syncs=2',
    ];
    await spawn('kube-controller-manager', [controllerManager, ...flags, ...ofController], nothing);
  }

  async function startNode(programs: NodePrograms): Promise<void> {
    const { kubelet, path, cni } = programs;
    const PATH = [...path, process.env['PATH']].join(':');
    if (cgroup !== undefined) await runCommand('sh', ['-c', `mkdir -p $(printf '%s/${cgroup} ' /sys/fs/cgroup/*)`]);
    const containerdConfig = join(directory, 'containerd.toml');
    await runCommand('ip', ['link', 'add', 'name', bridge, 'type', 'bridge']);
    await runCommand('ip', ['address', 'add', `${bridgeAddress}/24`, 'dev', bridge]);
    await runCommand('ip', ['link', 'set', bridge, 'up']);
    const network = join(directory, 'cni', '10-bridge.conflist');
    writeFileSync(network, JSON.stringify(networkOf(bridge, join(running, 'addresses'))));
    writeFileSync(containerdConfig, containerdToml({ directory, running, socket, cni, path }));
    const containerd = [...inOwnMounts, 'env', `PATH=${PATH}`, 'containerd', '--config', containerdConfig];
    const pid = await spawn('containerd', containerd, () => containerCommand(programs, 'version'));
    for (const archive of await writeTestImages(join(directory, 'images')))
      await containerCommand(programs, 'images', 'import', archive);
    const kubeletConfig = join(directory, 'kubelet.yaml');
    writeFileSync(kubeletConfig, stringify(kubeletConfiguration({ directory, socket, cgroup, port: ports.kubelet })));
    const flags = {
      config: kubeletConfig,
      kubeconfig,
      'hostname-override': nodeName,
      'root-dir': join(directory, 'kubelet-data'),
      'cert-dir': join(directory, 'kubelet-certificates'),
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    await spawn('kubelet', [...inMountsOf(pid), 'env', `PATH=${PATH}`, kubelet, ...args], async () => {
      const { spec, status } = await connect().readNode({ name: nodeName });
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status !== 'True') throw new Error(`the node is not ready: ${ready?.message ?? 'it is not there'}`);
      if (spec?.taints?.length) throw new Error(`the node still has the taint ${spec.taints[0]?.key}`);
    });
  }

  async function start(): Promise<void> {
    const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = await freePorts(5);
    ports = { etcd: first, peer: second, api: third, kubelet: fourth, sandboxes: fifth };
    writeFiles();
    await startEtcd();
    await startApi();
    if (node) {
      await startControllers(node);
      await startNode(node);
    }
  }

  /** Installs agent-sandbox, whose controller is a process of this machine. */
  async function startSandboxes({ controller, definition }: SandboxFiles): Promise<void> {
    await installDefinition(kubeconfig, definition);
    const probe = `127.0.0.1:${ports.sandboxes}`;
    const flags = {
      'leader-elect': false,
      'enable-webhook': false,
      'metrics-bind-address': 0,
      'health-probe-bind-address': probe,
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    await spawn('agent-sandbox', ['env', `KUBECONFIG=${kubeconfig}`, controller, ...args], async () => {
      const { ok } = await fetch(`http://${probe}/readyz`);
      if (!ok) throw new Error('the controller is not ready yet');
    });
  }

  async function stopApi(): Promise<void> {
    await endRecorded(recordOf('kube-apiserver'));
  }

  async function stop(): Promise<void> {
    await endRecorded(recordOf('agent-sandbox'));
    await endRecorded(recordOf('kubelet'));
    await endContainers();
    const others = ['containerd', 'kube-controller-manager', 'kube-scheduler', 'kube-apiserver', 'etcd'];
    for (const server of others) await endRecorded(recordOf(server));
  }

  /** Containers live on without containerd. It leaves nothing of those that it ends itself. */
  async function endContainers(): Promise<void> {
    if (!node) return;
    const tasks = await containerCommand(node, 'tasks', 'list', '--quiet').catch(() => '');
    for (const task of tasks.split('\n').filter((line) => line !== '')) {
      await containerCommand(node, 'tasks', 'delete', '--force', task).catch(() => undefined);
    }
    // Those of a run that was killed, whose containerd is gone.
    const shims = await runCommand('pgrep', ['-f', `containerd-shim-runc-v2 .*-address ${running}/`]).catch(() => '');
    for (const pid of shims.split('\n').filter((line) => line !== '')) {
      await runCommand('pkill', ['-KILL', '-P', pid]).catch(() => undefined);
      await runCommand('kill', ['-KILL', pid]).catch(() => undefined);
    }
  }

  function containerCommand({ path }: NodePrograms, ...args: string[]): Promise<string> {
    const PATH = [...path, process.env['PATH']].join(':');
    return runCommand('env', [`PATH=${PATH}`, 'ctr', '--address', socket, '--namespace', 'k8s.io', ...args]);
  }

  /** What is mounted in its folders, the latest first. */
  async function mounts(): Promise<string[]> {
    if (process.platform !== 'linux') return [];
    const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
    const paths = lines.map((line) => (line.split(' ')[1] ?? '').replaceAll(String.raw`\040`, ' '));
    return paths.filter((path) => path.startsWith(`${directory}/`) || path.startsWith(`${running}/`)).toReversed();
  }

  /** Ends also what an earlier run has left. */
  async function remove(): Promise<void> {
    await stop();
    if (!existsSync(directory)) return;
    for (const path of await mounts()) await runCommand('umount', [path]);
    // Those that another kubelet uses are not empty, and stay.
    if (node)
      await runCommand('sh', [
        '-c',
        `find /sys/fs/cgroup -depth -type d -path "*/${cgroup ?? 'kubepods'}*" -exec rmdir {} ";" 2>&1 || true`,
      ]);
    await runCommand('ip', ['link', 'delete', bridge]).catch(() => undefined);
    rmSync(directory, { recursive: true, force: true });
    rmSync(running, { recursive: true, force: true });
  }

  return {
    directory,
    kubeconfig,
    kubeconfigOf,
    start,
    startApi,
    startSandboxes,
    stopApi,
    remove,
    /** Gives an image to the node, from an archive as `docker save` writes it. */
    importImage: async (archive: string): Promise<void> => {
      if (!node) throw new Error('the cluster has no node');
      await containerCommand(node, 'images', 'import', archive);
    },
    /** `host:port` of the API server. */
    address: () => `127.0.0.1:${ports.api}`,
  };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
