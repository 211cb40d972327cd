import { describe, expect, it } from 'vitest';
import { containerOf } from '../../daemon/netns/container.ts';

const ID = '0123456789abcdef'.repeat(4);
const OTHER = 'fedcba9876543210'.repeat(4);
const SHORT = ID.slice(0, 12);

/** Texts of /proc/PID/cgroup, as the runtimes' cgroup drivers lay the paths out. */
describe('the container of a process', () => {
  it.each([
    ['Docker, systemd, cgroup v2', `0::/system.slice/docker-${ID}.scope\n`, `docker:${SHORT}`],
    ['Docker, cgroupfs, cgroup v2', `0::/docker/${ID}\n`, `docker:${SHORT}`],
    [
      'Docker, cgroup v1',
      `12:pids:/docker/${ID}\n11:cpu,cpuacct:/docker/${ID}\n1:name=systemd:/docker/${ID}\n0::/system.slice/containerd.service\n`,
      `docker:${SHORT}`,
    ],
    [
      'a cgroup inside of the container',
      `0::/system.slice/docker-${ID}.scope/init.scope\n`,
      `docker:${SHORT}`,
    ],
    ['Docker in Docker', `0::/system.slice/docker-${OTHER}.scope/docker/${ID}\n`, `docker:${SHORT}`],
    ['Podman as root', `0::/machine.slice/libpod-${ID}.scope/container\n`, `podman:${SHORT}`],
    ['Podman, cgroupfs', `4:memory:/libpod_parent/libpod-${ID}\n`, `podman:${SHORT}`],
    [
      'Podman of a user, in a pod',
      `0::/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_${OTHER}.slice/libpod-${ID}.scope\n`,
      `podman:${SHORT}`,
    ],
    [
      'containerd for Kubernetes, systemd',
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1b2c.slice/cri-containerd-${ID}.scope\n`,
      `cri-containerd:${SHORT}`,
    ],
    [
      'the same where the driver was set to cgroupfs',
      `0::/system.slice/containerd.service/kubepods-besteffort-pod1b2c.slice:cri-containerd:${ID}\n`,
      `cri-containerd:${SHORT}`,
    ],
    ['Kubernetes, cgroupfs', `5:cpu:/kubepods/besteffort/pod1b2c-33/${ID}\n`, `kubepods:${SHORT}`],
    ['CRI-O', `0::/kubepods.slice/kubepods-pod1b2c.slice/crio-${ID}.scope\n`, `crio:${SHORT}`],
    ['nerdctl', `0::/system.slice/nerdctl-${ID}.scope\n`, `containerd:${SHORT}`],
    ['ctr', `0::/default/${ID}\n`, `containerd:${SHORT}`],
    ['a runtime that nobody knows', `0::/jobs/${ID}\n`, `container:${SHORT}`],
  ])('%s', (_what, text, expected) => {
    expect(containerOf(text)).toBe(expected);
  });

  it.each([
    ['a user session', '0::/user.slice/user-1000.slice/session-3.scope\n'],
    ['a service', '0::/system.slice/docker.service\n'],
    ['the root', '0::/\n'],
    ['the minder of a Podman container', `0::/machine.slice/libpod-conmon-${ID}.scope\n`],
    ['the minder of a CRI-O container', `0::/system.slice/crio-conmon-${ID}.scope\n`],
    ['an id that is cut', `0::/system.slice/docker-${ID.slice(1)}.scope\n`],
    ['nothing', ''],
  ])('%s is none', (_what, text) => {
    expect(containerOf(text)).toBeNull();
  });
});
