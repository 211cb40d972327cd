import { describe, expect, test } from 'vitest';
import { defaultOptions } from '../../daemon/config.ts';
import { parseConfig } from '../../daemon/options/file.ts';
import { formatConfig } from '../../daemon/options/print.ts';
import { resolveOptions } from '../../daemon/options/resolve.ts';
import type { DiskBound } from '../../storage/retention-options.ts';
import { parseAge, parseDiskBound } from '../../daemon/options/retention-options.ts';

describe('bounds on the past', () => {
  test.each<[string, number | null | undefined]>([
    ['30d', 2_592_000],
    ['1.5h', 5400],
    ['90', 90],
    ['off', null],
    ...['', '0', '-1d', '3 days', '0.5s', 'never'].map((text) => [text, undefined] as [string, undefined]),
  ])('an age of "%s"', (text, sec) => {
    expect(parseAge(text)).toBe(sec);
  });

  test.each<[string, DiskBound | null | undefined]>([
    ['10G', { percent: null, octets: 10_000_000_000 }],
    ['16Gi', { percent: null, octets: 17_179_869_184 }],
    ['2.5%', { percent: 2.5, octets: null }],
    ['10%,16Gi', { percent: 10, octets: 17_179_869_184 }],
    ['off', null],
    ...[
      '',
      '0',
      '15M',
      '-5%',
      '0%',
      '101%',
      '10GB',
      'lots',
      '5%,6%',
      '10G,11G',
      '5 %',
      '10%,',
      'off,10%',
    ].map((text) => [text, undefined] as [string, undefined]),
  ])('a size of "%s"', (text, bound) => {
    expect(parseDiskBound(text)).toEqual(bound);
  });

  test('are printed as the file takes them, the defaults, too', () => {
    const defaults = defaultOptions('/d.db', 2 ** 33);
    const said = (text: string) => resolveOptions(parseConfig(text, 'f.toml'), '/d.db', 2 ** 33).retention;
    expect(said('')).toEqual(defaults.retention);
    expect(said(formatConfig(defaults))).toEqual(defaults.retention);
    const other = { ageSec: 86_400, size: { octets: 500_000_000, percent: null }, free: null };
    expect(said(formatConfig({ ...defaults, retention: other }))).toEqual(other);
  });

  test('that are wrong are told with key, value and what is allowed', () => {
    expect(() => parseConfig('[storage]\nretain-age = "never"\nretain-free = "5 %"\n', 'f.toml')).toThrow(
      /f\.toml:2: storage\.retain-age = "never": must be a time .*f\.toml:3: storage\.retain-free = "5 %": must be octets/s,
    );
  });
});
