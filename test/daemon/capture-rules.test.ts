import { describe, expect, it } from 'vitest';
import { CaptureRules } from '../../daemon/capture-rules.ts';

describe('rules of control clients', () => {
  it('say nothing of what they do not match, and the latest that matches counts', () => {
    const rules = new CaptureRules();
    expect(rules.decide('a', 'v0')).toBeNull();
    rules.set(true, { netns: 'any', interface: 'v*' });
    rules.set(false, { netns: 'a', interface: '*' });
    expect([rules.decide('a', 'v0'), rules.decide('b', 'v0'), rules.decide('b', 'lo')]).toEqual([
      false,
      true,
      null,
    ]);
    rules.set(true, { netns: 'any', interface: 'v*' });
    expect([rules.decide('a', 'v0'), rules.decide('a', 'lo')]).toEqual([true, false]);
  });

  it('name the namespaces that they bring in, until the same selection is taken out', () => {
    const rules = new CaptureRules();
    rules.set(true, { netns: 'lab-*', interface: 'v0' });
    rules.set(true, { netns: 'lab-*', interface: 'v1' });
    rules.set(false, { netns: 'x', interface: '*' });
    expect(rules.selectors()).toEqual(['lab-*']);
    rules.set(false, { netns: 'lab-*', interface: 'v0' });
    rules.set(false, { netns: 'lab-*', interface: 'v1' });
    expect(rules.selectors()).toEqual([]);
  });

  it('are bounded, and the same selection is one', () => {
    const rules = new CaptureRules();
    for (let i = 0; i < 256; i++) rules.set(true, { netns: `n${i}`, interface: '*' });
    rules.set(false, { netns: 'n0', interface: '*' });
    expect(() => rules.set(true, { netns: 'more', interface: '*' })).toThrow(
      expect.objectContaining({ code: 'CONTROL_REFUSED' }),
    );
    expect(rules.decide('n0', 'x')).toBe(false);
  });
});
