import { describe, expect, it } from 'vitest';
import { defaultOptions, idleTimeouts, nextRingMib } from '../../daemon/config.ts';
import { findUser } from '../../daemon/engine-user.ts';

describe('the memory of the rings', () => {
  it('is what was asked for while the bound allows it, then halves, and never ends', () => {
    const sizes: number[] = [];
    let used = 0;
    for (let i = 0; i < 9; i++) {
      const mib = nextRingMib(32, used, 100);
      sizes.push(mib);
      used += mib;
    }
    expect(sizes).toEqual([32, 32, 32, 4, 1, 1, 1, 1, 1]);
  });

  it("is a quarter of the host's by default, and one ring at least", () => {
    expect(defaultOptions('/x', 8 * 2 ** 30).ringTotalMib).toBe(2048);
    expect(defaultOptions('/x', 64 * 2 ** 20).ringTotalMib).toBe(32);
  });
});

describe('--idle-timeout', () => {
  it('holds for what is alive, and shortens what is half-open or over', () => {
    expect(idleTimeouts(600)).toEqual({
      tcpAttempt: 60,
      tcpEstablished: 600,
      tcpHalfClosed: 600,
      tcpClosed: 5,
      tcpReset: 5,
      udpNew: 600,
      udp: 600,
      icmp: 600,
      other: 600,
    });
    expect(new Set(Object.values(idleTimeouts(2)))).toEqual(new Set([2]));
  });
});

describe("the engine's user", () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n\nbroken\n';

  it.each([
    ['nobody', { name: 'nobody', uid: 65534, gid: 65533 }],
    ['65534', { name: 'nobody', uid: 65534, gid: 65533 }],
    ['65534:7', { name: 'nobody', uid: 65534, gid: 7 }],
    ['1234', { name: '1234', uid: 1234, gid: 1234 }],
    ['root', { name: 'root', uid: 0, gid: 0 }],
  ])('is found by %s', (text, user) => {
    expect(findUser(text, passwd)).toEqual(user);
  });

  it.each(['', 'broken', 'nobody:7', '-1'])('is not found by "%s"', (text) => {
    expect(() => findUser(text, passwd)).toThrow(/^--user .*: no such user in \/etc\/passwd/);
  });
});
