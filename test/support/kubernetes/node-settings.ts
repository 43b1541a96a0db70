import { join } from 'node:path';
import { pauseImage } from './test-images.ts';

const systemFolders = [
  '/run/netns',
  '/run/containerd',
  '/opt/containerd',
  '/var/lib/cni',
  '/var/lib/kubelet',
  '/var/log/containers',
];
/** Every user in a container may read the files of its image, whatever the servers of a stack may write. */
const coverSystemFolders = `umask 022
for folder in ${systemFolders.join(' ')}; do mkdir -p "$folder"; mount -t tmpfs tmpfs "$folder"; done
exec "$@"`;

/**
 * What containerd and the kubelet mount, and what they write into folders of the system, is seen by them alone and is gone with
 * them.
 */
export const inOwnMounts = ['unshare', '--mount', '--propagation', 'private', 'sh', '-euc', coverSystemFolders, 'sh'];

export function inMountsOf(pid: number): string[] {
  return ['nsenter', '--target', String(pid), '--mount', 'sh', '-c', 'umask 022; exec "$@"', 'sh'];
}

const podAddresses = '10.253.7';
/** The machine's own address on the bridge, at which pods reach what listens there. */
export const bridgeAddress = `${podAddresses}.1`;

/** Pods on a bridge of the machine, which reach nothing beyond it. */
export function networkOf(bridge: string, dataDir: string): object {
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: `${podAddresses}.0/24` }]] };
  return {
    cniVersion: '1.0.0',
    name: bridge,
    plugins: [
      { type: 'bridge', bridge, isGateway: true, ipMasq: false, hairpinMode: false, ipam },
      { type: 'loopback' },
    ],
  };
}

export function containerdToml({
  directory,
  running,
  socket,
  cni,
  path: [bin = '', sbin = ''],
}: {
  directory: string;
  running: string;
  socket: string;
  cni: string;
  path: string[];
}): string {
  return `version = 3
root = '${join(directory, 'containerd-data')}'
state = '${join(running, 'containerd')}'
[grpc]
  address = '${socket}'
[ttrpc]
  address = '${socket}.ttrpc'
[plugins.'io.containerd.internal.v1.opt']
  path = '${join(directory, 'containerd-opt')}'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '${pauseImage}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['${cni}']
    conf_dir = '${join(directory, 'cni')}'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    runtime_path = '${join(bin, 'containerd-shim-runc-v2')}'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = '${join(sbin, 'runc')}'
`;
}

/** Nothing that the rest of the machine does may evict a pod. */
export function kubeletConfiguration({
  directory,
  socket,
  cgroup,
  port,
}: {
  directory: string;
  socket: string;
  /** The control group of the pods, which exists. Left out: that of the machine. */
  cgroup: string | undefined;
  port: number;
}): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: '127.0.0.1',
    port,
    healthzPort: 0,
    tlsCertFile: join(directory, 'kubelet.pem'),
    tlsPrivateKeyFile: join(directory, 'kubelet.key'),
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: join(directory, 'ca.pem') },
    },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${socket}`,
    cgroupDriver: 'cgroupfs',
    ...(cgroup !== undefined && { cgroupRoot: `/${cgroup}` }),
    failCgroupV1: false,
    failSwapOn: false,
    maxPods: 200,
    podLogsDir: join(directory, 'pod-logs'),
    evictionHard: { 'memory.available': '1Mi', 'nodefs.available': '0%', 'imagefs.available': '0%' },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    enforceNodeAllocatable: [],
    kubeAPIQPS: 200,
    kubeAPIBurst: 400,
    serializeImagePulls: false,
    registerNode: true,
    resolvConf: '',
  };
}
