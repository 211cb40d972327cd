import { describe, expect, it } from 'vitest';
import { checkSelection, isNetnsSelector, isSelector, selectsOf } from '../../daemon/control/selectors.ts';

describe('a selector of a control client', () => {
  it.each(['a', 'lab-*', 'veth[0-9]', '*', 'any', 'host', 'docker:4f5e', 'x'.repeat(255), 'eth0.10', 'ü'])(
    'may be %s',
    (text) => expect(isSelector(text)).toBe(true),
  );

  it.each([
    '',
    '/proc/1/ns/net',
    '../x',
    'a b',
    'a\n',
    'a\0',
    'a\u202eb',
    '!a',
    'x'.repeat(256),
    '[z-a]',
    'a*b*c*d*',
  ])('may not be %j', (text) => expect(isSelector(text)).toBe(false));

  it.each(['host', 'any', 'lab-*', '5', 'docker:4f5e*', 'pid:4711:nginx', 'pid:*:nginx'])(
    'of namespaces may be %s',
    (text) => expect(isNetnsSelector(text)).toBe(true),
  );

  it.each(['.', 'ü'.repeat(200), 'a/b'])('of namespaces may not be %s, which none can be called', (text) =>
    expect(isNetnsSelector(text)).toBe(false),
  );

  it.each(['processes', 'all', 'newly', 'pid:1'])('of namespaces may not be %s, which is no name', (text) => {
    expect(isNetnsSelector(text)).toBe(false);
    expect(() => checkSelection({ netns: text, interface: '*' })).toThrow(/^netns "/);
    expect(() => checkSelection({ netns: 'any', interface: text })).not.toThrow();
  });

  it('of any place selects all, and a pattern what it matches', () => {
    const place = { netns: 'lab-a', interface: 'veth0' };
    const selects = (netns: string, name: string): boolean => selectsOf({ netns, interface: name })(place);
    expect(selects('', '')).toBe(true);
    expect(selects('any', '*')).toBe(true);
    expect(selects('lab-?', 'veth0')).toBe(true);
    expect(selects('lab-a', 'eth*')).toBe(false);
    expect(selects('lab', 'veth0')).toBe(false);
  });

  it('that is wrong is named, with what is wanted', () => {
    expect(() => checkSelection({ netns: '/proc/1/ns/net', interface: 'v*' })).toThrow(
      'netns "/proc/1/ns/net": a name or pattern of 1 to 255 characters is wanted, without a slash, blanks, or more than 3 stars; processes, all, newly and pid:N are not taken here',
    );
    expect(() => checkSelection({ netns: 'a', interface: '' })).toThrow(/^interface ""/);
    expect(() => checkSelection({ netns: '', interface: '' }, true)).not.toThrow();
  });
});
