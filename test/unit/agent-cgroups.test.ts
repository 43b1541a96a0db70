import { expect, test } from 'vitest';
import { placeIn } from '../../runtimes/process/agent-cgroups.ts';

const mountOf = (root: string, point: string, type = 'cgroup2') =>
  `38 31 0:41 ${root} ${point} rw,nosuid - ${type} cgroup2 rw,nsdelegate`;

test.each([
  {
    what: 'a hierarchy of its own',
    mounts: [mountOf('/', '/sys/fs/cgroup')],
    cgroup: '0::/system.slice/agents.service\n',
    expected: { mount: '/sys/fs/cgroup', path: '/system.slice/agents.service' },
  },
  {
    what: 'a hierarchy beside those of version 1',
    mounts: [mountOf('/', '/sys/fs/cgroup/cpu', 'cgroup'), mountOf('/', '/sys/fs/cgroup/unified')],
    cgroup: '2:cpu:/a\n1:name=systemd:/b\n0::/\n',
    expected: { mount: '/sys/fs/cgroup/unified', path: '/' },
  },
  {
    what: 'a mount of a part of the hierarchy, at a path with a blank',
    mounts: [mountOf('/other', '/elsewhere'), mountOf('/pod/a', String.raw`/c\040group`)],
    cgroup: '0::/pod/a/worker\n',
    expected: { mount: '/c group', path: '/worker' },
  },
  {
    what: 'the root of a mount of a part of the hierarchy',
    mounts: [mountOf('/pod/a', '/sys/fs/cgroup')],
    cgroup: '0::/pod/a\n',
    expected: { mount: '/sys/fs/cgroup', path: '/' },
  },
  {
    what: 'a mount that does not show the cgroup',
    mounts: [mountOf('/pod/ab', '/sys/fs/cgroup')],
    cgroup: '0::/pod/a\n',
    expected: undefined,
  },
  {
    what: 'a mount from outside of the namespace',
    mounts: [mountOf('/../..', '/sys/fs/cgroup')],
    cgroup: '0::/\n',
    expected: undefined,
  },
  { what: 'version 1 alone', mounts: [mountOf('/', '/c', 'cgroup')], cgroup: '1:cpu:/a\n', expected: undefined },
])('the cgroup of a process is found in $what', ({ mounts, cgroup, expected }) => {
  expect(placeIn(`${mounts.join('\n')}\n`, cgroup)).toEqual(expected);
});
