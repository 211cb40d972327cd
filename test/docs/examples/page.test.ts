import { expect, test } from 'vitest';
import { isExample, readPage, withOutputs } from './page.ts';

const TEXT = `# Title
<!-- docs: lab -->
<!-- docs: needs jq tcpdump -->
<!-- docs: run echo hidden
echo too -->

\`\`\`console
$ echo one
one
$ cat <<X
> two
> X
two
$ true
\`\`\`

<!-- docs: valid flows nstap flows --json -->
<!-- docs: about -->
<!-- docs: unordered -->
<!-- docs: terminal 100 -->
\`\`\`console
$ echo '{}'
old
\`\`\`

\`\`\`sh
sudo reboot
\`\`\`

\`\`\`text
no command
\`\`\`
`;

test('a page has commands with what it shows, in their order', () => {
  const { steps, notRun, needsLab, tools } = readPage(TEXT);
  expect(steps).toEqual([
    { line: 4, command: 'echo hidden\necho too', schema: null },
    { line: 8, command: 'echo one', shown: ['one'], isAbout: false, isUnordered: false, columns: null },
    {
      line: 10,
      command: 'cat <<X\ntwo\nX',
      shown: ['two'],
      isAbout: false,
      isUnordered: false,
      columns: null,
    },
    { line: 14, command: 'true', shown: [], isAbout: false, isUnordered: false, columns: null },
    { line: 17, command: 'nstap flows --json', schema: 'flows' },
    { line: 22, command: "echo '{}'", shown: ['old'], isAbout: true, isUnordered: true, columns: 100 },
  ]);
  expect(notRun).toEqual([{ line: 26, lines: ['sudo reboot'] }]);
  expect([needsLab, tools]).toEqual([true, ['jq', 'tcpdump']]);
});

test('outputs are put behind their commands, however long they were', () => {
  const examples = readPage(TEXT).steps.filter(isExample);
  const [one, two, none, json] = examples;
  const written = withOutputs(
    TEXT,
    new Map([
      [one!, []],
      [two!, ['2', '2']],
      [none!, ['some']],
      [json!, ['new']],
    ]),
  );
  expect(
    readPage(written)
      .steps.filter(isExample)
      .map(({ shown }) => shown),
  ).toEqual([[], ['2', '2'], ['some'], ['new']]);
  expect(withOutputs(TEXT, new Map(examples.map((each) => [each, each.shown])))).toBe(TEXT);
});

test.each([
  ['```console\n$ a', 'line 1: the block has no end'],
  ['\n```console\nsaid first\n```', 'line 3: the block has to begin with a command'],
  ['```\n$ nstap flows\n```', 'line 1: a block with a command has to be ```console'],
  ['```\n# nstap flows\n```', 'line 1: a block with a command has to be ```console'],
  ['<!-- docs: rum true -->', 'line 1: nothing is known of "docs: rum"'],
  ['<!-- docs: run true', 'line 1: the comment has no end'],
])('%j is refused', (text, why) => {
  expect(() => readPage(text)).toThrow(why);
});
