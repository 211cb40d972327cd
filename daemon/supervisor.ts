import { CaptureRules } from './capture-rules.ts';
import { CaptureSet } from './capture-set.ts';
import type { DaemonOptions } from './config.ts';
import type { Selection } from './control/messages.ts';
import { answerControl, interfaceRows } from './control-host.ts';
import type { ControlSocket } from './control-socket.ts';
import { type ControlReport, engineConfigOf, type EngineReport } from './engine-messages.ts';
import { EngineProcess } from './engine-process.ts';
import type { EngineUser } from './engine-user.ts';
import type { Logger } from './logger.ts';
import { type FoundNetns, findNetns } from './netns/discovery.ts';
import { isNetnsGone, LinkWatcher } from './netns/link-watcher.ts';
import { parseNetnsSelectors } from './netns/selector.ts';
import { NetnsWatcher } from './netns/watcher.ts';
import type { ServiceManager } from './service-manager.ts';
import { logReload, planReload } from './options/reload.ts';
import { openMirrorFds } from './mirror/fds.ts';

/** Wait before an engine that failed is started again: doubled each time, from the first to the second. */
const ENGINE_RETRY_MS: readonly [number, number] = [100, 10_000];
/** An engine that lived this long is healthy: its next end is retried as a first one. */
const ENGINE_HEALTHY_MS = 60_000;
/** Reasons of failed looks for namespaces that are kept, so that each is told once. */
const SCAN_ERRORS_MAX = 100;
/** An engine that says nothing for so long has hung. */
const SILENT_MS = 15_000;
/** Two signals this close are one: Ctrl-C and SIGTERM of a script, timeout(1) that signals a process and its group. */
const SAME_SIGNAL_MS = 250;
/** Patience with an engine that was asked to drain. */
const DRAIN_MS = 30_000;
/** Messages that wait for an engine before its control clients get no answers any more. */
const ANSWERS_QUEUED_MAX = 1024;

/**
 * The privileged process: decides what is captured, opens it, and hands it to the engine. It parses no packet; the only
 * input from outside that it reads are the kernel's lists and the engine's validated reports.
 */
export class Supervisor {
  #options: DaemonOptions;
  readonly #user: EngineUser;
  readonly #engineEntry: URL;
  readonly #log: Logger;
  readonly #manager: ServiceManager;
  readonly #netns: NetnsWatcher;
  readonly #links = new Map<string, LinkWatcher>();
  /** Why a namespace could not be opened, as it was last told. */
  readonly #openErrors = new Map<string, string>();
  readonly #rules = new CaptureRules();
  readonly #captures: CaptureSet;
  #control: ControlSocket | null = null;
  #rereads: () => void = () => {};
  readonly #beganMs = performance.now();
  #engines = 0;
  #engine: EngineProcess | null = null;
  #engineStartedMs = 0;
  /** Why the engine before this one ended. */
  #endedBy = '';
  #engineDelayMs = ENGINE_RETRY_MS[0];
  #engineTimer: NodeJS.Timeout | null = null;
  #drainTimer: NodeJS.Timeout | null = null;
  #wasReady = false;
  /** When the engine said something last. performance.now() */
  #heardMs = 0;
  /** This engine takes captures: a ring that is open before has nobody to read it. */
  #engineReady = false;
  /** What was told of looks that failed. */
  readonly #scanErrors = new Set<string>();
  /** The engine was asked to end so that another takes its place. */
  #renewing = false;
  #stopping = false;
  #stoppedMs = 0;
  #isFinished = false;
  #exitCode = 0;
  readonly #done = Promise.withResolvers<number>();

  /**
   * Nothing is opened before `run`.
   * @throws PcapError when the filter is wrong
   */
  constructor(
    options: DaemonOptions,
    user: EngineUser,
    engineEntry: URL,
    log: Logger,
    manager: ServiceManager,
  ) {
    this.#manager = manager;
    this.#options = options;
    this.#user = user;
    this.#engineEntry = engineEntry;
    this.#log = log;
    this.#captures = new CaptureSet(options, this.#rules, log);
    this.#netns = new NetnsWatcher(options.netns, {
      changed: (added, removed) => this.#netnsChanged(added, removed),
      // Looks anyway for what has to be opened: retries, and notifications that were lost.
      looked: () => {
        this.#checkEngine();
        this.#reconcile();
      },
      error: (error) => this.#scanFailed(error),
    });
  }

  /**
   * Captures until it is stopped.
   * @param control stays the caller's; null: no clients are taken
   * @param reload  what a control client asks for: reads the configuration anew, or throws why not
   * @returns exit status
   */
  run(control: ControlSocket | null, reload: () => void): Promise<number> {
    this.#control = control;
    this.#rereads = reload;
    this.#netns.scan();
    const { missing, unreadable } = this.#netns.discovery;
    for (const selector of missing)
      this.#log.warn({ event: 'netns-missing', selector }, `no namespace ${selector} yet`);
    if (unreadable > 0)
      this.#log.debug({ event: 'processes-unreadable', processes: unreadable }, 'processes not looked at');
    this.#startEngine();
    return this.#done.promise;
  }

  /** The first call drains and ends; the second ends at once. */
  stop(reason: string): void {
    if (this.#stopping) {
      if (performance.now() - this.#stoppedMs < SAME_SIGNAL_MS) return;
      this.#log.warn({ event: 'killed', reason }, 'second signal: ending at once');
      this.#exitCode = 1;
      this.#engine?.kill();
      this.#finish();
      return;
    }
    this.#stopping = true;
    this.#stoppedMs = performance.now();
    this.#log.info({ event: 'stopping', reason }, 'draining');
    this.#manager.stopping();
    this.#netns.close();
    for (const id of [...this.#links.keys()]) this.#closeLinks(id);
    if (this.#engine === null) {
      this.#finish();
      return;
    }
    this.#engine.shutdown();
    this.#drainTimer = setTimeout(() => {
      this.#log.error({ event: 'drain-timeout' }, `the engine did not drain within ${DRAIN_MS / 1000} s`);
      this.#exitCode = 1;
      this.#engine?.kill();
    }, DRAIN_MS);
  }

  /**
   * Puts another configuration in force, as far as that needs no restart: what is captured goes on without a gap.
   * @throws PcapError, SelectorError, ConfigError: all stays as it was then
   */
  reload(next: DaemonOptions): void {
    if (this.#stopping) return;
    const plan = planReload(this.#options, next);
    parseNetnsSelectors(plan.options.netns);
    const filters = this.#captures.reload(plan.options);
    this.#options = plan.options;
    const { auditRate, logLevel, timeouts, netns } = plan.options;
    for (const command of filters) this.#engine?.send(command, [], null);
    this.#engine?.send({ type: 'configure', settings: { auditRate, logLevel, timeouts } }, [], null);
    logReload(this.#log, plan);
    if (plan.changed.includes('capture.netns')) this.#netns.select(netns);
    this.#reconcile();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#netns.close();
    if (this.#engineTimer !== null) clearTimeout(this.#engineTimer);
    if (this.#drainTimer !== null) clearTimeout(this.#drainTimer);
    for (const id of [...this.#links.keys()]) this.#closeLinks(id);
    this.#log.info({ event: 'stopped', status: this.#exitCode }, 'stopped');
    this.#done.resolve(this.#exitCode);
  }

  // -- the engine --

  #startEngine(): void {
    this.#engineTimer = null;
    this.#captures.clear(this.#endedBy);
    this.#engineReady = false;
    this.#renewing = false;
    this.#engineStartedMs = performance.now();
    this.#engine = new EngineProcess(this.#engineEntry, this.#user, this.#options, {
      report: (report) => this.#report(report),
      misbehaved: (error) =>
        this.#log.error({ event: 'engine-misbehaved', err: error }, `engine killed: ${error.message}`),
      exit: (code, signal) => this.#engineExited(code, signal),
    });
    this.#log.info(
      { event: 'engine-started', enginePid: this.#engine.pid, user: this.#user.name },
      'engine started',
    );
    this.#engine.send({ type: 'start', config: engineConfigOf(this.#options) }, [], null);
    if (this.#control !== null) {
      const uptimeMs = this.#engineStartedMs - this.#beganMs;
      const command = { type: 'control' as const, uptimeMs, restarts: this.#engines++ };
      this.#engine.send(command, [this.#control.descriptor()], null);
    }
    for (const links of this.#links.values()) this.#sendNetns(links);
  }

  #engineExited(code: number | null, signal: string | null): void {
    this.#engine = null;
    if (this.#isFinished) return;
    const failed = code !== 0;
    const fields = { code, signal };
    this.#endedBy = signal === null ? `engine ended with ${code}` : `engine ended by ${signal}`;
    if (this.#stopping) {
      if (failed) {
        this.#exitCode = 1;
        this.#log.error({ event: 'engine-exited', ...fields }, 'the engine failed while it drained');
      }
      this.#finish();
      return;
    }
    if (!this.#wasReady) {
      // It never worked, so trying again would only repeat its own message: a database that cannot be opened, …
      this.#log.fatal({ event: 'engine-exited', ...fields }, 'the engine cannot start; its reason is above');
      this.#exitCode = 1;
      this.#stopping = true;
      this.#finish();
      return;
    }
    if (performance.now() - this.#engineStartedMs > ENGINE_HEALTHY_MS)
      this.#engineDelayMs = ENGINE_RETRY_MS[0];
    const delayMs = failed ? this.#engineDelayMs : 0;
    if (failed) this.#engineDelayMs = Math.min(this.#engineDelayMs * 2, ENGINE_RETRY_MS[1]);
    this.#log.error(
      { event: 'engine-exited', ...fields, restartMs: delayMs },
      'engine ended; starting it again',
    );
    this.#engineTimer = setTimeout(() => this.#startEngine(), delayMs);
  }

  #report(report: EngineReport): void {
    this.#heardMs = performance.now();
    if (report.type === 'alive') return;
    if (report.type === 'ready') {
      this.#wasReady = true;
      this.#engineReady = true;
      this.#log.info({ event: 'ready' }, 'capturing');
      this.#manager.ready();
      this.#reconcile();
      return;
    }
    if (report.type !== 'opened' && report.type !== 'failed' && report.type !== 'ended') {
      this.#controlAsked(report);
      return;
    }
    const netnsId = this.#captures.report(report);
    if (netnsId === null) return;
    const links = this.#links.get(netnsId);
    try {
      // The engine may know sooner that an interface is gone.
      links?.rescan();
    } catch (error) {
      this.#linksFailed(links!.netns, error as Error);
    }
    this.#reconcile();
  }

  /** @throws Error when no client can have asked: the engine is not what it should be */
  #controlAsked(report: ControlReport): void {
    const engine = this.#engine;
    if (this.#control === null) throw new Error(`engine report ${report.type} without a control socket`);
    // An engine that asks and does not listen: its own clients wait in vain, and no memory is spent on it.
    if (engine === null || engine.queued > ANSWERS_QUEUED_MAX) return;
    const host = {
      interfaces: () =>
        interfaceRows(this.#links.values(), findNetns(['any']), (netns, link) =>
          this.#captures.reasonNot(netns, link),
        ),
      change: (isAdd: boolean, selection: Selection) => this.#change(isAdd, selection),
      reload: () => this.#rereads(),
    };
    answerControl(report, host, (command) => engine.send(command, [], null));
  }

  #change(isAdd: boolean, selection: Selection): number {
    this.#rules.set(isAdd, selection);
    this.#log.info(
      { event: isAdd ? 'capture-added' : 'capture-removed', ...selection },
      `a control client ${isAdd ? 'added' : 'took out'} ${selection.interface} in ${selection.netns}`,
    );
    this.#netns.add(this.#rules.selectors());
    this.#netns.scan();
    this.#reconcile();
    return this.#captures.count(selection);
  }

  // -- namespaces --

  #scanFailed(error: Error): void {
    // It is tried twice a second; once is enough to be told.
    if (this.#scanErrors.has(error.message)) return;
    if (this.#scanErrors.size >= SCAN_ERRORS_MAX) this.#scanErrors.clear();
    this.#scanErrors.add(error.message);
    this.#log.error({ event: 'netns-scan-failed', err: error }, error.message);
  }

  #netnsChanged(added: FoundNetns[], removed: FoundNetns[]): void {
    for (const netns of removed) {
      this.#log.info(
        { event: 'netns-removed', netns: netns.name, netnsId: netns.id },
        `namespace ${netns.name} is gone`,
      );
      this.#engine?.dropNetns(netns.id);
      this.#engine?.send({ type: 'remove-netns', netnsId: netns.id }, [], null);
      this.#closeLinks(netns.id);
      this.#openErrors.delete(netns.id);
    }
    for (const netns of added) this.#openLinks(netns);
    this.#reconcile();
  }

  #openLinks(netns: FoundNetns): void {
    const fields = { netns: netns.name, netnsId: netns.id };
    try {
      this.#rules.bring(netns.id, !this.#netns.isChosen(netns.id));
      const links = new LinkWatcher(netns, {
        changed: () => this.#reconcile(),
        error: (error) => this.#linksFailed(netns, error),
      });
      this.#links.set(netns.id, links);
      this.#openErrors.delete(netns.id);
      this.#log.info({ event: 'netns-added', ...fields }, `namespace ${netns.name}`);
      this.#sendNetns(links);
    } catch (error) {
      // Tried again at the next look; gone in a moment is no failure.
      this.#netns.again(netns.id);
      const { message } = error as Error;
      const level = isNetnsGone(error) || this.#openErrors.get(netns.id) === message ? 'debug' : 'error';
      this.#openErrors.set(netns.id, message);
      this.#log[level]({ event: 'netns-failed', ...fields, err: error }, message);
    }
  }

  #linksFailed(netns: FoundNetns, error: Error): void {
    const fields = { netns: netns.name, netnsId: netns.id };
    this.#log.error({ event: 'link-scan-failed', ...fields, err: error }, error.message);
  }

  #closeLinks(netnsId: string): void {
    this.#links.get(netnsId)?.close();
    this.#links.delete(netnsId);
    this.#captures.dropNetns(netnsId);
    this.#rules.bring(netnsId, false);
  }

  #sendNetns(links: LinkWatcher): void {
    if (this.#engine === null) return;
    const { name, id } = links.netns;
    try {
      this.#engine.send({ type: 'netns', netns: name, netnsId: id }, openMirrorFds(links.handle), id);
    } catch (error) {
      this.#log.error({ event: 'routes-failed', netns: name, err: error }, (error as Error).message);
    }
  }

  /** Ends an engine that has hung, so that another takes its place. One that drains has a time of its own. */
  #checkEngine(): void {
    const silentMs = performance.now() - this.#heardMs;
    if (this.#engine === null || !this.#engineReady || this.#renewing || silentMs < SILENT_MS) return;
    this.#log.error(
      { event: 'engine-hung', silentMs: Math.round(silentMs) },
      `the engine has said nothing for ${SILENT_MS / 1000} s, and is killed`,
    );
    this.#engineReady = false;
    this.#engine.kill();
  }

  /** Brings the captures into line with the namespaces and links that are there now. */
  #reconcile(): void {
    if (this.#engine === null || !this.#engineReady || this.#renewing || this.#stopping) return;
    if (this.#captures.reconcile(this.#links.values(), this.#engine)) return;
    this.#log.warn({ event: 'engine-renewed' }, 'capture numbers are used up; the engine is replaced');
    this.#renewing = true;
    this.#engine.shutdown();
  }
}
