import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { release, totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import { allFilesOctets } from '../storage/partition-files.ts';
import { RING_MIB_DEFAULT } from './config.ts';
import { clock, directories, group, reading } from './doctor-host.ts';
import { defaultEngineUser, STATE_DIR, whyCannotWork } from './engine-user.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { ARPHRD_LOOPBACK } from './kernel/constants.ts';
import { withResource } from './kernel/dispose.ts';
import { listInterfaces } from './kernel/interfaces.ts';
import { landlockAbi } from './kernel/landlock.ts';
import { close } from './kernel/libc.ts';
import { compileSocketFilter } from './kernel/libpcap.ts';
import { HOST_NETNS, listNetns, openNetns, withNetns } from './kernel/netns.ts';
import { openPacketSocketsWithin } from './kernel/packet-fanout.ts';
import { linkLayerOf, RING_BLOCKS_MIN, ringGeometry } from './kernel/packet-socket.ts';
import { CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN, effectiveCapabilities } from './kernel/privileges.ts';
import { sibling } from './sibling.ts';

const CAPABILITIES: readonly (readonly [number, string])[] = [
  [CAP_SYS_ADMIN, 'CAP_SYS_ADMIN'],
  [CAP_NET_ADMIN, 'CAP_NET_ADMIN'],
  [CAP_NET_RAW, 'CAP_NET_RAW'],
];

/** Shares and sizes below which a host is short of something. */
const FREE_SHARE_MIN = 0.05;
const FREE_BYTES_MIN = 2 ** 30;
const OPEN_FILES_MIN = 4096;
const RING_TEST_MIB = 1;
/** As in package.json, and what cli/nstap.js asks for. */
const NODE_MIN = [22, 18] as const;
const NODE_TESTED = 26;

/**
 * Looks at whatever the daemon needs of this host, changes nothing, and says what is missing and how to get it.
 * @param db        the database that the daemon would write
 * @param isDefault its folder is made where it is missing
 */
export function diagnose(db: string, isDefault: boolean): Finding[] {
  return [
    program(),
    capabilities(),
    ring(),
    namespaces(),
    libpcap(),
    engineUser(),
    landlock(),
    database(db, isDefault),
    openFiles(),
    memory(),
    group(),
    directories(),
    reading(resolve(db)),
    clock(),
  ];
}

function program(): Finding {
  const { node } = process.versions;
  const text = `Node ${node} on Linux ${release()}, ${process.arch}`;
  const [major, minor] = node.split('.').map(Number) as [number, number];
  const [least, leastMinor] = NODE_MIN;
  if (major < least || (major === least && minor < leastMinor))
    return fail(
      'program',
      `${text}: too old`,
      `Node ${NODE_MIN.join('.')} or newer; \`npm ci\` brings one along`,
    );
  if (major > NODE_TESTED)
    return warn('program', `${text}: newer than what was tested`, `Node 24 to ${NODE_TESTED}`);
  return ok('program', text);
}

function capabilities(): Finding {
  const lacking = CAPABILITIES.filter(([bit]) => !has(bit)).map(([, name]) => name);
  if (lacking.length === 0)
    return ok('capabilities', process.getuid?.() === 0 ? 'root' : 'file capabilities: no root needed');
  return {
    check: 'capabilities',
    state: 'fail',
    text: `not root, and without ${lacking.join(', ')}: nothing can be captured; reading databases and files works`,
    advice:
      'sudo nstap daemon; or a copy of Node for nstap alone, as whatever runs on it has these rights: ' +
      `sudo install -m 750 -g nstap ${process.execPath} /usr/local/lib/nstap-node && ` +
      'sudo setcap cap_sys_admin,cap_net_admin,cap_net_raw+ep /usr/local/lib/nstap-node',
  };
}

function has(capability: number): boolean {
  return (effectiveCapabilities() & (1n << BigInt(capability))) !== 0n;
}

/** Opens the kernel's ring on the loopback interface, as a capture does. */
function ring(): Finding {
  try {
    const lo = listInterfaces().find(({ arpType }) => arpType === ARPHRD_LOOPBACK);
    if (lo === undefined) return ok('ring', 'not tried: there is no loopback interface here');
    const options = {
      ifIndex: lo.ifIndex,
      link: linkLayerOf(lo.arpType),
      ring: ringGeometry(RING_TEST_MIB),
      filter: null,
      object: lo.name,
    };
    for (const fd of openPacketSocketsWithin(options, 1, RING_BLOCKS_MIN).fds) close(fd);
    return ok('ring', "the kernel's packet ring (TPACKET_V3) opens");
  } catch (error) {
    return {
      check: 'ring',
      state: 'fail',
      text: `the kernel's packet ring does not open: ${(error as Error).message}`,
      advice:
        'EPERM: see capabilities; EAFNOSUPPORT: modprobe af_packet; in a container add NET_RAW and NET_ADMIN',
    };
  }
}

function namespaces(): Finding {
  try {
    const named = listNetns();
    const stale = named.filter(({ id }) => id === null).map(({ name }) => name);
    const text = `${named.length} named, and the host's own`;
    if (!has(CAP_SYS_ADMIN))
      return {
        check: 'namespaces',
        state: 'warn',
        text: `${text}; they cannot be entered`,
        advice: 'see capabilities',
      };
    withResource(openNetns(HOST_NETNS), (host) => withNetns(host, () => {}));
    if (stale.length === 0) return ok('namespaces', `${text}; they can be entered`);
    return {
      check: 'namespaces',
      state: 'warn',
      text: `${text}; no namespaces are behind ${stale.join(', ')}`,
      advice: 'names left over from a crash or from another mount namespace: ip netns delete NAME',
    };
  } catch (error) {
    return {
      check: 'namespaces',
      state: 'fail',
      text: `namespaces cannot be entered: ${(error as Error).message}`,
      advice: 'see capabilities; in a container add SYS_ADMIN and mount /run/netns of the host',
    };
  }
}

function libpcap(): Finding {
  try {
    compileSocketFilter('ip', linkLayerOf(ARPHRD_LOOPBACK), 256);
    return ok('libpcap', 'is there, for --filter and --backend libpcap');
  } catch (error) {
    return {
      check: 'libpcap',
      state: 'warn',
      text: `--filter and --backend libpcap do not work: ${(error as Error).message}`,
      advice:
        'apt-get install libpcap0.8, or libpcap by the name that your distribution gives it; everything else works without',
    };
  }
}

function engineUser(): Finding {
  const user = defaultEngineUser();
  if (user.name === 'nstap' || process.getuid?.() !== 0)
    return ok('user', `packets are parsed as ${user.name} (${user.uid}:${user.gid})`);
  return {
    check: 'user',
    state: 'warn',
    text: `packets are parsed as ${user.name}, who may have other things to do: there is no user nstap`,
    advice: 'useradd --system --user-group --no-create-home --shell /usr/sbin/nologin nstap',
  };
}

function landlock(): Finding {
  const abi = landlockAbi();
  if (abi > 0) return ok('landlock', `ABI ${abi}: the engine writes its database and nothing else`);
  return {
    check: 'landlock',
    state: 'warn',
    text: 'the kernel has no Landlock: the engine is held by its user and no_new_privs alone',
    advice: 'Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK, and "landlock" in the kernel parameter lsm=',
  };
}

function database(path: string, isDefault: boolean): Finding {
  const file = resolve(path);
  const folder = dirname(file);
  if (!existsSync(folder)) {
    if (isDefault) return ok('database', `${file} will be made`);
    return fail('database', `there is no folder ${folder}`, `mkdir ${folder}, or --db FILE elsewhere`);
  }
  const user = defaultEngineUser();
  // The daemon gives its own folder to the engine.
  const reason =
    folder === STATE_DIR && process.getuid?.() === 0
      ? null
      : whyCannotWork(user, file, sibling('./engine', import.meta.url));
  if (reason !== null)
    return fail(
      'database',
      `${user.name} ${reason}`,
      `chown ${user.name} ${folder}, or --db FILE elsewhere, or --user NAME`,
    );
  const { bavail, blocks, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const size = existsSync(file) ? `${mib(allFilesOctets(file))} MiB` : 'not there yet';
  const text = `${file} (${size}), ${mib(free)} MiB free`;
  if (free >= FREE_BYTES_MIN && bavail >= blocks * FREE_SHARE_MIN) return ok('database', text);
  return {
    check: 'database',
    state: 'warn',
    text: `${text}: little`,
    advice: 'a full disk costs records (they are counted); free some space, or --db FILE on another disk',
  };
}

/** Each interface takes two descriptors and each namespace some, in both processes. */
function openFiles(): Finding {
  const soft = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
  if (!(soft < OPEN_FILES_MIN))
    return ok('open-files', Number.isNaN(soft) ? 'no limit' : `${soft} descriptors`);
  return {
    check: 'open-files',
    state: 'warn',
    text: `${soft} descriptors: enough for some ${Math.floor(soft / 10)} namespaces`,
    advice: `ulimit -n ${OPEN_FILES_MIN * 16}, or LimitNOFILE= in the unit`,
  };
}

function memory(): Finding {
  const total = totalmem();
  const rings = Math.floor(total / 4 / 2 ** 20 / RING_MIB_DEFAULT);
  return ok('memory', `${mib(total)} MiB: ${rings} rings of ${RING_MIB_DEFAULT} MiB, smaller ones beyond`);
}

function mib(octets: number): string {
  return String(Math.round(octets / 2 ** 20));
}
