import { describe, expect, it } from 'vitest';
import { ControlError } from '../../daemon/control/errors.ts';
import type { LiveInterface } from '../../daemon/control/messages.ts';
import { answerControl, type ControlHost, interfaceRows } from '../../daemon/control-host.ts';
import type { ControlReport, EngineCommand } from '../../daemon/engine-messages.ts';
import { SCM_PAYLOAD_MAX } from '../../daemon/kernel/scm.ts';
import type { FoundNetns } from '../../daemon/netns/discovery.ts';

const HOST: ControlHost = {
  interfaces: () => [],
  change: () => 3,
  reload: () => {
    throw new ControlError('CONTROL_REFUSED', 'no file');
  },
};

function answers(report: ControlReport, host: Partial<ControlHost> = {}): EngineCommand[] {
  const commands: EngineCommand[] = [];
  answerControl(report, { ...HOST, ...host }, (command) => commands.push(command));
  return commands;
}

const selection = { netns: 'a', interface: 'v*' };

describe('what the supervisor answers', () => {
  it('is what was done, or why it could not be', () => {
    const change: ControlReport = { type: 'change-capture', request: 5, isAdd: true, selection };
    expect(answers(change)).toEqual([{ type: 'answer', request: 5, error: null, captured: 3 }]);
    expect(answers({ type: 'reload', request: 6 })).toEqual([
      { type: 'answer', request: 6, error: { code: 'CONTROL_REFUSED', message: 'no file' }, captured: 0 },
    ]);
    const broken = (): never => {
      throw new Error('x'.repeat(1000));
    };
    expect(answers(change, { change: broken })).toEqual([
      {
        type: 'answer',
        request: 5,
        error: { code: 'CONTROL_FAILED', message: 'x'.repeat(300) },
        captured: 0,
      },
    ]);
  });

  it('is cut into commands that can be sent, however long the names are', () => {
    const row = (ifIndex: number, netns: string): LiveInterface => ({
      netns,
      netnsId: '4:1',
      interface: 'v0',
      ifIndex,
      up: true,
      captured: false,
      reason: '\u0001'.repeat(300),
    });
    for (const netns of ['a', `/${'ü'.repeat(2000)}`, '\u0001'.repeat(4095)]) {
      const rows = Array.from({ length: 100 }, (_, i) => row(i, netns));
      const commands = answers({ type: 'list-interfaces', request: 1 }, { interfaces: () => rows });
      for (const command of commands)
        expect(Buffer.byteLength(JSON.stringify(command))).toBeLessThan(SCM_PAYLOAD_MAX);
      const lists = commands.map((command) => command as { rows: LiveInterface[]; isLast: boolean });
      expect(lists.flatMap((list) => list.rows)).toEqual(rows);
      expect(lists.map(({ isLast }) => isLast)).toEqual(lists.map((_, i) => i === lists.length - 1));
    }
    expect(answers({ type: 'list-interfaces', request: 2 })).toEqual([
      { type: 'interfaces', request: 2, rows: [], isLast: true },
    ]);
  });

  it('has each interface with why it is not captured, and other namespaces without', () => {
    const netns = (name: string, id: string): FoundNetns => ({
      name,
      id,
      path: '',
      label: null,
      processes: [],
    });
    const a = netns('a', '4:1');
    const links = new Map([
      [1, { ifIndex: 1, name: 'lo', arpType: 772, flags: 0x9 }],
      [2, { ifIndex: 2, name: 'v0', arpType: 1, flags: 0 }],
    ]);
    const rows = interfaceRows([{ netns: a, links }], [a, netns('b', '4:2')], (_of, link) =>
      link.name === 'lo' ? null : 'not selected',
    );
    expect(
      rows.map(({ netns: of, interface: name, up, captured, reason }) => [of, name, up, captured, reason]),
    ).toEqual([
      ['a', 'lo', true, true, ''],
      ['a', 'v0', false, false, 'not selected'],
      ['b', '', false, false, 'namespace not selected'],
    ]);
  });
});
