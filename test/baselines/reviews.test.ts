import { describe, expect, test } from 'vitest';
import { formatReviews, parseReviews, toReview, withReviewed } from './reviews.ts';

const TEXTS = new Map([
  ['fixtures/a.pcap', 'one flow\n'],
  ['shared/b.pcap', 'two flows\n'],
]);

describe('readings of the baselines', () => {
  test('a text that was never read, or changed since, is to be read', () => {
    const read = withReviewed(TEXTS, new Map(), ['fixtures/a.pcap', 'shared/b.pcap'], null);
    expect(toReview(TEXTS, new Map())).toEqual(['fixtures/a.pcap', 'shared/b.pcap']);
    expect(toReview(TEXTS, read)).toEqual([]);
    expect(toReview(new Map(TEXTS).set('shared/b.pcap', 'three flows\n'), read)).toEqual(['shared/b.pcap']);
  });

  test('a line has name, digest and note; the note stays when the text is read again', () => {
    const first = withReviewed(TEXTS, new Map(), ['shared/b.pcap'], 'a reply seen first');
    const tsv = 'shared/b.pcap\t417979a35bca\ta reply seen first\n';
    expect(formatReviews(first)).toBe(tsv);
    expect(
      formatReviews(withReviewed(TEXTS, parseReviews(tsv), ['fixtures/a.pcap', 'shared/b.pcap'], null)),
    ).toBe(`fixtures/a.pcap\t6121d06684ad\t-\n${tsv}`);
  });

  test('the reading of a text that is gone goes, too', () => {
    const reviews = parseReviews('shared/gone.pcap\t000000000000\t-\n');
    expect(formatReviews(withReviewed(TEXTS, reviews, [], null))).toBe('');
  });
});
