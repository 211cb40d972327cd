import { afterAll, describe, expect, test } from 'vitest';
import { labMissing, until } from '../kernel/lab.ts';
import { sendFrames, setTxChecksum, UdpSocket } from '../kernel/traffic.ts';
import { type FrameSpec, frame, withChecksum } from '../support/frames.ts';
import { nstap } from '../support/nstap.ts';
import { DaemonLab } from './daemon-lab.ts';
import { Talkers } from './talkers.ts';

const missing = labMissing();
/** Packets of each kind that are sent by hand: a letter of the history stands at the first and the tenth. */
const COUNT = 12;

interface Flow {
  netns: string;
  protocol: string;
  dst_port: number;
  packets_fwd: number;
  history: string;
}

describe.skipIf(missing !== null)(`checksums on the wire${missing ? ` (${missing})` : ''}`, () => {
  const lab = new DaemonLab('csum');

  afterAll(async () => {
    await lab.endDaemon();
    lab.close();
  });

  test('only a wrong one that is final is noted, at both ends', { timeout: 120_000 }, async () => {
    const [a, b] = [lab.add('a'), lab.add('b')];
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    const { d, db } = lab.daemon(
      { netns: [a, b], interfaces: ['v0'], filter: 'tcp or udp', checkpointSec: 1 },
      'real',
    );
    await d.opened(2);

    /** Real sockets. @param ports of TCP and of UDP */
    const talk = async (tcp: number, udp: number): Promise<void> => {
      const talkers = await Talkers.start(lab, a, b, '10.9.0.2', tcp, 2);
      using socket = new UdpSocket(lab, a, 4);
      socket.send('10.9.0.2', udp, 200, COUNT);
      await talkers.stop();
    };
    // The device is to fill them in, and a veth never does: all along the way they are not final, and wrong.
    await talk(7001, 7002);
    // The kernel fills them in: final, and right.
    for (const ns of [a, b]) setTxChecksum(lab, ns, 'v0', false);
    await talk(7003, 7004);

    const byHand = (spec: FrameSpec, isRight: boolean): void => {
      const bytes = withChecksum(
        frame({ src: '10.9.0.1', dst: '10.9.0.2', sport: 4444, payload: 50, ...spec }),
      );
      if (!isRight) bytes[bytes.length - 1]! ^= 0x10;
      sendFrames(lab, a, 'v0', new Array<Uint8Array>(COUNT).fill(bytes));
    };
    byHand({ dport: 7005, flags: 'A' }, true);
    byHand({ dport: 7006, flags: 'A' }, false);
    byHand({ dport: 7007, proto: 'udp' }, true);
    byHand({ dport: 7008, proto: 'udp' }, false);

    const flows = (): Flow[] => JSON.parse(nstap(['flows', '--db', db, '--format', 'json']).stdout) as Flow[];
    await until('the last datagram is in the database', () => {
      const last = flows().filter((flow) => flow.dst_port === 7008);
      return last.length === 2 && last.every((flow) => flow.packets_fwd === COUNT);
    });
    expect(await d.end()).toBe(0);
    const all = flows();
    for (const ns of [a, b]) {
      const history = (port: number): string[] =>
        all.filter((flow) => flow.netns === ns && flow.dst_port === port).map((flow) => flow.history);
      for (const port of [7001, 7003]) {
        expect(history(port), `${ns} ${port}`).toHaveLength(2);
        for (const letters of history(port)) expect(letters, `${ns} ${port}`).toMatch(/^ShA[^cC]*$/);
      }
      expect([history(7002), history(7004), history(7007)], ns).toEqual([['D'], ['D'], ['D']]);
      expect(history(7005), ns).toEqual(['DTT']);
      expect([history(7006), history(7008)], ns).toEqual([['CC'], ['CC']]);
    }
  });
});
