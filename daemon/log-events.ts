/** One kind of log line. */
export interface LogEvent {
  role: 'supervisor' | 'engine' | 'both';
  /** What it says, and what to do. */
  meaning: string;
}

/**
 * Every `event` of the daemon's log: stable names, for whoever watches the log. docs/logs.md has the same list; a test holds
 * both to the sources.
 */
export const LOG_EVENTS: Readonly<Record<string, LogEvent>> = {
  'engine-started': { role: 'supervisor', meaning: 'A new engine process; `enginePid`, `user`.' },
  ready: { role: 'supervisor', meaning: 'The database is open; interfaces are opened now.' },
  'netns-added': { role: 'supervisor', meaning: 'A selected namespace is there: `netns`, `netnsId`.' },
  'netns-removed': { role: 'supervisor', meaning: 'It is gone, or not selected any more.' },
  'netns-missing': { role: 'supervisor', meaning: 'At the start nothing is there that `selector` selects.' },
  'netns-failed': {
    role: 'supervisor',
    meaning: 'A namespace cannot be entered; it is tried again when it changes.',
  },
  'netns-scan-failed': {
    role: 'supervisor',
    meaning: 'The list of namespaces cannot be read; tried twice a second.',
  },
  'processes-unreadable': {
    role: 'supervisor',
    meaning: 'At the start so many `processes` could not be looked at for their namespaces (debug).',
  },
  'link-scan-failed': { role: 'supervisor', meaning: 'The interfaces of a namespace cannot be read.' },
  'capture-opened': {
    role: 'supervisor',
    meaning: 'An interface is captured: `netns`, `interface`, `ringMib`.',
  },
  'capture-failed': { role: 'supervisor', meaning: 'It cannot be; tried again after up to 10 s. `reason`.' },
  'capture-ended': { role: 'supervisor', meaning: 'It is captured no more: `reason`.' },
  'capture-added': {
    role: 'supervisor',
    meaning: 'A control client has added a selection: `netns`, `interface`.',
  },
  'capture-removed': {
    role: 'supervisor',
    meaning: 'A control client has taken a selection out: `netns`, `interface`.',
  },
  'control-none': { role: 'supervisor', meaning: 'There is no control socket: no clients are taken.' },
  'control-listening': { role: 'engine', meaning: 'Control clients are taken.' },
  'control-opened': { role: 'engine', meaning: 'A control client has connected (debug): `clients` now.' },
  'control-closed': {
    role: 'engine',
    meaning: 'A control client is gone (debug): `client` as it called itself, `reason`.',
  },
  'control-busy': {
    role: 'engine',
    meaning: 'Control clients were turned away, as there are too many; told once a minute at most.',
  },
  'control-failed': { role: 'engine', meaning: 'A control client could not be taken; it goes on.' },
  'engine-hung': {
    role: 'supervisor',
    meaning: 'The engine said nothing for `silentMs`; it is killed, and another one started.',
  },
  'engine-misbehaved': {
    role: 'supervisor',
    meaning: 'The engine said what it must not, and was killed. A bug, or an attack.',
  },
  'engine-exited': {
    role: 'supervisor',
    meaning: 'The engine ended: `code`, `signal`; it is started again after `restartMs`.',
  },
  'engine-renewed': {
    role: 'supervisor',
    meaning: 'The engine is replaced because the numbers of captures are used up.',
  },
  'engine-is-root': { role: 'supervisor', meaning: 'The engine runs as root (`--user root`).' },
  reloaded: {
    role: 'supervisor',
    meaning: 'SIGHUP, or a control client: the configuration was read; `changed` has the keys that changed.',
  },
  'reload-needs-restart': {
    role: 'supervisor',
    meaning: 'As `reloaded`: these `keys` changed, and wait for a restart.',
  },
  'reload-failed': {
    role: 'supervisor',
    meaning:
      'SIGHUP: the configuration is wrong (`reason`); all stays as it was. A control client is told itself.',
  },
  stopping: {
    role: 'supervisor',
    meaning: 'Asked to end: what was captured is written. `reason` is the signal.',
  },
  'drain-timeout': {
    role: 'supervisor',
    meaning: 'The engine did not write everything in time, and was killed.',
  },
  killed: { role: 'supervisor', meaning: 'A second signal: it ends without writing the rest.' },
  stopped: { role: 'supervisor', meaning: 'The last line; `status` is the exit status.' },
  draining: { role: 'engine', meaning: 'Asked to end: flows are written.' },
  'capture-stopped': { role: 'engine', meaning: 'The capture thread has handed over all flows (debug).' },
  drained: { role: 'engine', meaning: 'Everything is in the database: `flows`, `records`.' },
  'engine-failed': {
    role: 'engine',
    meaning: 'The engine cannot go on: `err`. The supervisor starts another.',
  },
  'filter-failed': {
    role: 'engine',
    meaning: 'The kernel did not take the new filter for a capture; the old one is in force.',
  },
  'close-failed': { role: 'engine', meaning: 'A socket could not be closed: `err`.' },
  'database-upgrading': {
    role: 'engine',
    meaning:
      'The database is of an older nstap (`version` of its schema) and is rewritten: some 8 s a million flows. `ready` comes after it.',
  },
  'storage-trouble': {
    role: 'engine',
    meaning: 'The database takes nothing (`code`); records wait in memory, then are shed and counted.',
  },
  'retention-dropped': {
    role: 'engine',
    meaning:
      'Flows were dropped: `partition` (0: rows of the database itself), `flows`, `octets`, `from`, `until`, and the bound as `reason`.',
  },
  'retention-trouble': {
    role: 'engine',
    meaning: 'What is too much cannot be dropped (`code`); told once, tried again every 2 s.',
  },
  'storage-recovered': { role: 'engine', meaning: 'It takes records again.' },
  'routes-failed': {
    role: 'both',
    meaning: 'The routes of a namespace cannot be followed for now: `reason`.',
  },
  'route-disagreement': {
    role: 'engine',
    meaning: 'The kernel decided otherwise than nstap: `command` asks it again. Please report.',
  },
  'metrics-listening': { role: 'engine', meaning: 'Metrics are served on `url`.' },
  'metrics-failed': { role: 'engine', meaning: 'They cannot be (`reason`); tried again every 5 s.' },
  'notify-failed': {
    role: 'supervisor',
    meaning: 'The service manager cannot be told how the daemon is: `err`.',
  },
  'log-limited': { role: 'both', meaning: '`heldBack` more lines of event `of` were not logged.' },
};
