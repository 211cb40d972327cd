/**
 * Where runtimes put a container's id in its cgroup's path. The systemd driver has a scope of its own for each, the
 * cgroupfs driver a folder. `conmon`, Podman's and CRI-O's minder of a container, stands outside of its namespaces.
 */
const SCOPES: readonly (readonly [RegExp, string])[] = [
  [/^docker-([0-9a-f]{64})\.scope$/, 'docker'],
  [/^libpod-(?:payload-)?([0-9a-f]{64})(?:\.scope)?$/, 'podman'],
  [/^(?:.*:)?cri-containerd[-:]([0-9a-f]{64})(?:\.scope)?$/, 'cri-containerd'],
  [/^nerdctl-([0-9a-f]{64})\.scope$/, 'containerd'],
  [/^crio-([0-9a-f]{64})(?:\.scope)?$/, 'crio'],
];
const CONTAINER_ID = /^[0-9a-f]{64}$/;
/** Digits that `docker ps` and others show of an id. */
const SHORT_ID = 12;

/**
 * The container that a process is in.
 * @param cgroup text of /proc/PID/cgroup: lines "hierarchy:controllers:path", one for cgroup v2, several for v1. cgroups(7)
 * @returns "docker:", "podman:", "cri-containerd:", "containerd:", "crio:", "kubepods:" (a pod's container of a runtime that
 *          the path does not name) or "container:", with the first 12 digits of the id; null when it is in none
 */
export function containerOf(cgroup: string): string | null {
  for (const line of cgroup.split('\n')) {
    const path = line.split(':').slice(2).join(':');
    const found = containerOfPath(path);
    if (found !== null) return found;
  }
  return null;
}

function containerOfPath(path: string): string | null {
  const parts = path.split('/').filter((part) => part !== '');
  // From the end: a container in a container is the inner one.
  for (let i = parts.length - 1; i >= 0; i--) {
    const part = parts[i]!;
    for (const [scope, runtime] of SCOPES) {
      const id = scope.exec(part)?.[1];
      if (id !== undefined) return `${runtime}:${id.slice(0, SHORT_ID)}`;
    }
    if (CONTAINER_ID.test(part)) return `${runtimeOf(parts.slice(0, i))}:${part.slice(0, SHORT_ID)}`;
  }
  return null;
}

/** By the folders above a folder that has an id for its name. */
function runtimeOf(above: readonly string[]): string {
  const parent = above.at(-1);
  // "moby" is Docker's namespace in containerd.
  if (parent === 'docker' || parent === 'moby') return 'docker';
  if (parent === 'libpod_parent') return 'podman';
  if (parent === 'k8s.io') return 'cri-containerd';
  // ctr(8) and nerdctl, unless told otherwise.
  if (parent === 'default') return 'containerd';
  return above.some((part) => part.startsWith('kubepods')) ? 'kubepods' : 'container';
}
