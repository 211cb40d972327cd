import { type Selects, selectsOf } from './control/selectors.ts';
import { ControlError } from './control/errors.ts';
import type { Selection } from './control/messages.ts';

/** Rules at once, at most. */
const RULES_MAX = 256;

interface Rule extends Selection {
  isAdd: boolean;
  selects: Selects;
}

/**
 * What control clients have asked to be captured beside, or taken out of, what the options say. The latest rule that matches
 * an interface counts. They outlive an engine, but not the daemon.
 */
export class CaptureRules {
  readonly #rules: Rule[] = [];
  readonly #brought = new Set<string>();

  /**
   * Adds a rule; an earlier one of the same selection is replaced.
   * @throws ControlError CONTROL_REFUSED at the bound
   */
  set(isAdd: boolean, { netns, interface: name }: Selection): void {
    const at = this.#rules.findIndex((rule) => rule.netns === netns && rule.interface === name);
    if (at >= 0) this.#rules.splice(at, 1);
    else if (this.#rules.length >= RULES_MAX)
      throw new ControlError(
        'CONTROL_REFUSED',
        `${RULES_MAX} selections were added or removed already; put them into the daemon's options, and restart it`,
      );
    const selection = { netns, interface: name };
    this.#rules.push({ ...selection, isAdd, selects: selectsOf(selection) });
  }

  /** What the latest rule says of an interface, or null when none does. */
  decide(netns: string, name: string): boolean | null {
    const rule = this.#rules.findLast(({ selects }) => selects({ netns, interface: name }));
    return rule?.isAdd ?? null;
  }

  /** Says that the options do not select a namespace: it is there because of a rule. */
  bring(netnsId: string, isBrought: boolean): void {
    if (isBrought) this.#brought.add(netnsId);
    else this.#brought.delete(netnsId);
  }

  /** True when a namespace is there because of a rule only. */
  brought(netnsId: string): boolean {
    return this.#brought.has(netnsId);
  }

  /** Selectors of the namespaces that have to be looked into because of these rules. */
  selectors(): string[] {
    return [...new Set(this.#rules.filter(({ isAdd }) => isAdd).map(({ netns }) => netns))];
  }
}
