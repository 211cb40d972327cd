const INSTALLS = 'changes the host: packages, users, services';
const GOES_ON = 'a daemon of the host, until somebody ends it; the pages with a lab run others';
const SYNOPSIS = 'a synopsis: words in capitals stand for others';
const FOREIGN = 'a program that not every machine of a developer has';

/** Every block that is shown and not run (```sh): its page, its first words, and why. */
export const NOT_RUN: readonly (readonly [page: string, first: string, why: string])[] = [
  [
    'README.md',
    'npm ci && npm run demo',
    'installs, and runs these tests; .ci/fresh-machine runs both lines',
  ],
  ['docs/cookbook.md', 'duckdb -c', FOREIGN],
  ['docs/cookbook.md', 'zeek-cut', FOREIGN],
  ['docs/experiments.md', 'nstap experiment start NAME', SYNOPSIS],
  ['docs/export.md', 'nstap export [FILTER]', SYNOPSIS],
  ['docs/export.md', 'nstap export --since 1d', FOREIGN],
  ['docs/install.md', 'sudo npm install', INSTALLS],
  ['docs/install.md', 'npm ci && npm run deb', INSTALLS],
  ['docs/install.md', 'sudo install -m 750', INSTALLS],
  ['docs/install.md', 'source <(nstap completion bash)', 'is for a shell with a person before it'],
  ['docs/namespaces.md', 'sudo nstap daemon --netns all', GOES_ON],
  ['docs/quick-start.md', 'sudo npm install', INSTALLS],
  ['docs/report.md', 'nstap report [FILTER]', SYNOPSIS],
  ['docs/retention.md', 'sudo nstap daemon --retain-age', GOES_ON],
  ['docs/route-history.md', 'nstap routes --netns lab-c', 'times that have to be those of the reader'],
  ['docs/tail.md', 'nstap tail --netns', 'opens a window'],
  ['docs/timeouts.md', 'sudo nstap daemon --timeout', GOES_ON],
];
