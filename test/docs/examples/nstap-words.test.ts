import { expect, test } from 'vitest';
import { wrongCalls } from './nstap-words.ts';

test.each([
  ['sudo nstap daemon --netns all --netns "!host"   # --nothing', []],
  ["npx nstap replay --db x.db a.pcap && nstap flows --db x.db 'tcp and --no'", []],
  ['nstap experiment run x --netns a -- ping --nothing', []],
  ['echo nstap --nothing', []],
  ['nstap flwos', ['nstap: no command flwos']],
  ['true; nstap route get 10.0.0.1 --rues x', ['get: no option --rues']],
  ['nstap flows |\nnstap flows --formta=csv', ['flows: no option --formta']],
])('%j', (line, wrong) => {
  expect(wrongCalls(line.split('\n'))).toEqual(wrong);
});
