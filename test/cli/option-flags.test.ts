import { Command, CommanderError } from 'commander';
import { describe, expect, test } from 'vitest';
import { addOptions } from '../../cli/option-flags.ts';
import type { MeteringOptions } from '../../daemon/config.ts';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import { METERING_OPTIONS } from '../../daemon/options/metering-options.ts';
import { resolveMetering } from '../../daemon/options/resolve.ts';
import type { GivenMetering } from '../../daemon/options/spec.ts';

function parse(...args: string[]): MeteringOptions {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addOptions(command, METERING_OPTIONS);
  return resolveMetering(command.parse(args, { from: 'user' }).opts<GivenMetering>());
}

describe('flags of metering', () => {
  test('without any there are the documented defaults', () => {
    expect(parse()).toMatchObject({
      maxFlows: 1_000_000,
      timeouts: DEFAULT_TIMEOUTS,
      checkpointSec: 10,
      tunnels: 'outer',
    });
  });

  test('--timeout is repeated or joined, and goes over --idle-timeout wherever it stands', () => {
    expect(
      parse('--timeout', 'udp=7', '--idle-timeout', '90', '--timeout', 'tcp-closed=1,icmp=2').timeouts,
    ).toEqual({
      tcpAttempt: 60,
      tcpEstablished: 90,
      tcpHalfClosed: 90,
      tcpClosed: 1,
      tcpReset: 5,
      udpNew: 90,
      udp: 7,
      icmp: 2,
      other: 90,
    });
  });

  test.each(['tcp=5', 'udp', 'udp=', 'udp=0', 'udp=1.5', 'udp=-1', 'udp=86401', '', 'toString=5', 'udp=5,'])(
    '--timeout "%s" is a mistake that says what is possible',
    (text) => {
      expect(() => parse('--timeout', text)).toThrow(CommanderError);
      expect(() => parse('--timeout', text)).toThrow(
        /is not STATE=SEC\. STATE is one of tcp-attempt, .*, other/,
      );
    },
  );

  test('--checkpoint and --active-timeout are one thing', () => {
    expect(parse('--checkpoint', '3').checkpointSec).toBe(3);
    expect(parse('--active-timeout', '3').checkpointSec).toBe(3);
    expect(parse('--checkpoint', '0').checkpointSec).toBe(0);
    expect(() => parse('--checkpoint', '3', '--active-timeout', '4')).toThrow(/two names of one thing/);
  });
});
