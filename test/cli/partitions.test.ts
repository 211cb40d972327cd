import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nstap } from './run-cli.ts';
import { SAMPLE_START, sampleDb } from './sample-db.ts';

let whole: ReturnType<typeof sampleDb>;
let parted: ReturnType<typeof sampleDb>;

beforeAll(() => {
  whole = sampleDb();
  parted = sampleDb(true);
});
afterAll(() => {
  whole.remove();
  parted.remove();
});

describe('`nstap flows` over five partitions prints what it prints over one file', () => {
  test('which they are', () => {
    expect(existsSync(`${parted.path}-0005`)).toBe(true);
    expect(existsSync(`${whole.path}-0001`)).toBe(false);
  });

  test.each([
    ['--format json'],
    ['--format json --series'],
    ['--format csv'],
    ['--format ndjson --limit 3'],
    ['--format json --sort +start'],
    ['--format json --sort bytes'],
    ['--format json --sort +rtt'],
    ['--format json --route-changed'],
    ['--format table'],
    ['--format json host 10.1.0.2'],
    ['--format json host 10.1.0.2 and port 443'],
    ['--format json net 10.2.0.0/16 --sort dst_port'],
    ['--format json netns blue --limit 2'],
    ['--format json route type blackhole'],
    ['--format json not tcp'],
    [`--format json --since ${SAMPLE_START + 15}`],
    [`--format json --since ${SAMPLE_START + 15} --until ${SAMPLE_START + 35}`],
    ['--format json --by src'],
    ['--format json --by host'],
    ['--format json --by host port 443'],
    ['--format json --by protocol,dst_port --sort flows'],
    ['--format json --by netns,interface'],
    ['--format json --by route_type'],
  ])('%s', async (line) => {
    const words = line.split(' ');
    const [one, five] = await Promise.all(
      [whole, parted].map(({ path }) => nstap(['flows', '--db', path, ...words])),
    );
    expect(one!.stderr).toBe('');
    expect(one!.stdout.length).toBeGreaterThan(50);
    expect(five).toEqual(one);
  });
});
