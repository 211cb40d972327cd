import { describe, expect, it } from 'vitest';
import { parseReport, REPORT_MAX } from '../../daemon/engine-messages.ts';

describe('a report of the engine', () => {
  it.each([
    { type: 'ready' },
    { type: 'opened', captureIndex: 0 },
    { type: 'failed', captureIndex: 3, reason: 'mmap: ENOMEM' },
    { type: 'ended', captureIndex: 3, reason: 'interface removed' },
    { type: 'list-interfaces', request: 1 },
    { type: 'reload', request: 2 },
    { type: 'change-capture', request: 3, isAdd: true, selection: { netns: 'lab-*', interface: 'v0' } },
  ])('is taken: %j', (report) => {
    expect(parseReport(JSON.stringify(report))).toEqual(report);
  });

  it.each([
    ['', /not JSON/],
    ['x', /not JSON/],
    ['null', /no object/],
    ['[]', /unknown type undefined/],
    ['{"type":"exec"}', /unknown type "exec"/],
    ['{"type":"opened"}', /bad captureIndex/],
    ['{"type":"opened","captureIndex":-1}', /bad captureIndex/],
    ['{"type":"opened","captureIndex":1.5}', /bad captureIndex/],
    ['{"type":"ended","captureIndex":1}', /bad reason/],
    ['{"type":"reload"}', /bad request/],
    ['{"type":"change-capture","request":1}', /bad isAdd/],
    ['{"type":"change-capture","request":1,"isAdd":true}', /bad selection/],
    [
      '{"type":"change-capture","request":1,"isAdd":true,"selection":{"netns":"/proc/1/ns/net","interface":"*"}}',
      /bad selection/,
    ],
    [
      '{"type":"change-capture","request":1,"isAdd":true,"selection":{"netns":"a","interface":["*"]}}',
      /bad selection/,
    ],
    [`"${'x'.repeat(REPORT_MAX)}"`, /4098 characters/],
  ])('is refused: %s', (line, reason) => {
    expect(() => parseReport(line)).toThrow(reason);
  });

  it('carries nothing along that it was not asked for', () => {
    expect(parseReport('{"type":"opened","captureIndex":1,"__proto__":{"x":1},"more":2}')).toEqual({
      type: 'opened',
      captureIndex: 1,
    });
  });
});
