import { existsSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { openForReading } from '../storage/database.ts';
import { StorageError } from '../storage/errors.ts';
import { SCHEMA_VERSION } from '../storage/schema.ts';
import { STATE_DIR } from './engine-user.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { isClockSynchronised } from './kernel/clock-sync.ts';

/** Its members use the control socket and read the database. */
const GROUP = 'nstap';
const RUN_DIR = '/run/nstap';
/** Bits of a mode: others may write, read or look into. inode(7) */
const OTHERS_WRITE = 0o002;
const OTHERS_ANY = 0o007;
const GROUP_WRITE = 0o020;
/** Of "root" in a folder that only the daemon may put things in. */
const ROOT = 0;
/** No packet of nstap's is older: a clock before this was never set. 2025-01-01T00:00:00Z */
const CLOCK_MIN_MS = Date.UTC(2025, 0, 1);
/** Reading these costs a microsecond and more, for every packet that is given its time. */
const SLOW_CLOCKS: ReadonlySet<string> = new Set(['hpet', 'acpi_pm', 'jiffies', 'refined-jiffies']);
const CLOCK_SOURCE = '/sys/devices/system/clocksource/clocksource0/current_clocksource';

/** The group whose members need no root. */
export function group(): Finding {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${GROUP}:`));
  if (line === undefined)
    return warn(
      'group',
      `there is no group ${GROUP}: only root may ask the daemon and read its database`,
      `groupadd --system ${GROUP} && usermod -aG ${GROUP} NAME; then log in again, and restart the daemon`,
    );
  const gid = Number(line.split(':')[2]);
  if (process.getuid!() === ROOT) return ok('group', `${GROUP} (${gid}): its members may ask the daemon`);
  if (process.getgroups!().includes(gid) || process.getgid!() === gid)
    return ok('group', `you are in ${GROUP}: you may ask the daemon`);
  const { username } = userInfo();
  return warn(
    'group',
    `you are not in the group ${GROUP}: you may not ask the daemon of root, nor read its database`,
    `sudo usermod -aG ${GROUP} ${username}; then log in again`,
  );
}

/** Folders of the daemon that root runs; it makes those that are missing. */
export function directories(): Finding {
  const wrong: string[] = [];
  const advice: string[] = [];
  const found: string[] = [];
  const look = (path: string, forbidden: number, wanted: string, what: string): void => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) {
      found.push(`${path} will be made`);
      return;
    }
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
    found.push(`${path} ${mode}`);
    if (!stat.isDirectory()) {
      wrong.push(`${path} is no folder`);
      advice.push(`rm ${path}`);
    } else if ((stat.mode & forbidden) !== 0) {
      wrong.push(`${path} has mode ${mode}: ${what}`);
      advice.push(`chmod ${wanted} ${path}`);
    }
  };
  look(STATE_DIR, OTHERS_ANY | GROUP_WRITE, '0750', 'others than root and the group can get at the flows');
  look(RUN_DIR, OTHERS_WRITE | GROUP_WRITE, '0755', 'others can put a socket of their own there');
  if (wrong.length > 0) return warn('directories', wrong.join('; '), advice.join('; '));
  return ok('directories', found.join(', '));
}

/** Whether this user can read the flows that are there. */
export function reading(path: string): Finding {
  const check = 'reading';
  try {
    if (!existsSync(path)) return ok(check, `${path} is not there yet, or not to be seen by this user`);
    openForReading(path).close();
    return ok(check, `${path} can be read (schema version ${SCHEMA_VERSION})`);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    const { code, message } = error;
    switch (code) {
      case 'NSTAP_OLDER':
        return warn(
          check,
          message,
          'sudo systemctl restart nstap: a daemon of this version brings it up to date',
        );
      case 'NSTAP_NEWER':
        return fail(check, message, 'update this nstap, or --db FILE elsewhere');
      case 'NSTAP_FOREIGN':
        return fail(
          check,
          message,
          '--db FILE elsewhere: nstap does not write into other programs’ databases',
        );
      default:
        return warn(check, message, 'see group; a damaged file: move it away, and a new one is made');
    }
  }
}

/** Times of packets are this host's. */
export function clock(): Finding {
  const check = 'clock';
  if (Date.now() < CLOCK_MIN_MS)
    return warn(check, `the clock says ${new Date().toISOString()}`, 'set it: timedatectl set-ntp true');
  const source = existsSync(CLOCK_SOURCE) ? readFileSync(CLOCK_SOURCE, 'utf8').trim() : 'unknown';
  if (SLOW_CLOCKS.has(source))
    return warn(
      check,
      `the kernel reads the time from ${source}, which is slow: each packet costs more`,
      'the kernel parameter clocksource=tsc, where the CPU has a steady one; in a virtual machine kvm-clock',
    );
  if (!isClockSynchronised())
    return warn(
      check,
      `nobody keeps the clock right (${source}): flows of several hosts cannot be compared by time`,
      'timedatectl set-ntp true, or chrony; where the host of a virtual machine does it, nothing',
    );
  return ok(check, `kept right, read from ${source}`);
}
