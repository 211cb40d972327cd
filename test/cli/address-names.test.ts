import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { addressName, forgetNames, learnNames, type ReverseSources } from '../../cli/format/address-names.ts';

const ip4 = (last: number): Buffer => Buffer.from([10, 0, 0, last]);
const folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
let asked: string[] = [];

function sources(more: Partial<ReverseSources> = {}): ReverseSources {
  return {
    reverse: async (address) => {
      asked.push(address);
      if (address === '10.0.0.2') return ['two.lab', 'zwei.lab'];
      throw Object.assign(new Error('getHostByAddr ENOTFOUND'), { code: 'ENOTFOUND' });
    },
    cancel: () => {},
    hostsFile: join(folder, 'none'),
    timeoutMs: 1000,
    ...more,
  };
}

afterEach(() => {
  forgetNames();
  asked = [];
  rmSync(join(folder, 'hosts'), { force: true });
});

test('names are those of the hosts file, else of DNS, each asked for once', async () => {
  const hostsFile = join(folder, 'hosts');
  writeFileSync(
    hostsFile,
    '# hosts\n10.0.0.1\tone.lab one # first\n10.0.0.1 other\nFE80::0:1 link\nnonsense\n',
  );
  await learnNames([ip4(1), ip4(2), ip4(2), ip4(3)], sources({ hostsFile }));
  expect([ip4(1), ip4(2), ip4(3)].map(addressName)).toEqual(['one.lab', 'two.lab', null]);
  expect(asked).toEqual(['10.0.0.2', '10.0.0.3']);
  await learnNames([Buffer.from('fe800000000000000000000000000001', 'hex'), ip4(2)], sources({ hostsFile }));
  expect(addressName(Buffer.from('fe800000000000000000000000000001', 'hex'))).toBe('link');
  expect(asked).toHaveLength(2);
});

test('a name server that does not answer is not waited for', async () => {
  let stop: (error: Error) => void = () => {};
  const waiting = new Promise<string[]>((_, reject) => {
    stop = reject;
  });
  await learnNames(
    [ip4(9)],
    sources({ reverse: () => waiting, cancel: () => stop(new Error('cancelled')), timeoutMs: 20 }),
  );
  expect(addressName(ip4(9))).toBeNull();
});

test('a table of very many addresses asks for some of them', async () => {
  await learnNames(
    Array.from({ length: 1000 }, (_, i) => Buffer.from([10, 1, i >> 8, i & 0xff])),
    sources(),
  );
  expect(asked).toHaveLength(256);
});
