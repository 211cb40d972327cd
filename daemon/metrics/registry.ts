import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { version } from '../version.ts';
import { CAPTURE_FAMILIES, type CaptureFamily, ENGINE_FAMILIES, ROUTE_FAMILIES } from './families.ts';
import type { MetricsStore } from './store.ts';

const NS = 1e-9;

/**
 * The metrics of an engine in Prometheus' text format, read from the store whenever they are asked for; with those of the
 * process and its event loop that prom-client has.
 */
export function metricsRegistry(store: MetricsStore): Registry {
  const registry = new Registry();
  for (const family of CAPTURE_FAMILIES) addCaptureFamily(registry, store, family);
  for (const { name, help, of, counter } of ROUTE_FAMILIES) {
    addMetric(registry, name, help, ['netns'], false, (add) => {
      for (const routes of store.routes())
        add({ netns: routes.netns }, Number((routes[of] as Record<string, unknown> | null)?.[counter] ?? 0));
    });
  }
  const { queued, queueSize, trouble, cpu, captures, info } = ENGINE_FAMILIES;
  const plain = (family: { name: string; help: string }, isGauge: boolean, value: () => number): void =>
    addMetric(registry, family.name, family.help, [], isGauge, (add) => add({}, value()));
  plain(queued, true, () => store.load?.queued ?? 0);
  plain(queueSize, true, () => store.load?.queueSize ?? 0);
  plain(trouble, true, () => (store.isInTrouble ? 1 : 0));
  plain(cpu, false, () => (store.load?.cpuNs ?? 0) * NS);
  plain(captures, true, () => store.openCaptures);
  addMetric(registry, info.name, info.help, ['version'], true, (add) => add({ version: version() }, 1));
  collectDefaultMetrics({ register: registry });
  return registry;
}

function addCaptureFamily(registry: Registry, store: MetricsStore, family: CaptureFamily): void {
  const { name, help, label, parts, isGauge = false, scale = 1 } = family;
  const labels = ['netns', 'interface', ...(label === undefined ? [] : [label])];
  addMetric(registry, name, help, labels, isGauge, (add) => {
    for (const { netns, interface: device, counters } of store.captures()) {
      for (const [part, counter] of Object.entries(parts)) {
        const more = label === undefined ? {} : { [label]: part };
        add({ netns, interface: device, ...more }, (counters?.[counter] ?? 0) * scale);
      }
    }
  });
}

type Add = (labels: Record<string, string>, value: number) => void;

/** Adds a metric that is made anew each time. Of a name that was captured twice (its interface was made again) the counts add up. */
function addMetric(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  isGauge: boolean,
  fill: (add: Add) => void,
): void {
  const options = { name, help, labelNames, registers: [registry] };
  const metric = isGauge
    ? new Gauge({ ...options, collect: () => refill() })
    : new Counter({ ...options, collect: () => refill() });
  const refill = (): void => {
    metric.reset();
    // A reset gauge or counter without labels begins at 0; with labels it has no series.
    fill((labels, value) => metric.inc(labels, value));
  };
}
