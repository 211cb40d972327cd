import { describe, expect, it } from 'vitest';
import { parseReport, REPORT_MAX } from '../../daemon/engine-messages.ts';

describe('a report of the engine', () => {
  it.each([
    { type: 'ready' },
    { type: 'opened', captureIndex: 0 },
    { type: 'failed', captureIndex: 3, reason: 'mmap: ENOMEM' },
    { type: 'ended', captureIndex: 3, reason: 'interface removed' },
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
