import { spawnSync } from 'node:child_process';

/**
 * Runs many `ip` commands in a namespace at once. Lines that start with "-6 " are run by `ip -6`, in one go of their own.
 * @param tolerant go on behind lines that the kernel refuses: random tables repeat themselves
 */
export function ipBatch(netns: string, lines: readonly string[], tolerant: boolean): void {
  const run = (family: string[], own: readonly string[]): void => {
    if (own.length === 0) return;
    const options = ['-n', netns, ...family, ...(tolerant ? ['-force'] : []), '-batch', '-'];
    const { status, stderr } = spawnSync('ip', options, { input: `${own.join('\n')}\n`, encoding: 'utf8' });
    // A word that `ip` does not know is a mistake of the test, which -force would hide.
    const isMistake = /unknown|garbage|inet prefix is expected/i.test(stderr);
    if ((status !== 0 && !tolerant) || isMistake) throw new Error(`ip ${options.join(' ')}: ${stderr}`);
  };
  run(
    [],
    lines.filter((line) => !line.startsWith('-6 ')),
  );
  run(
    ['-6'],
    lines.filter((line) => line.startsWith('-6 ')).map((line) => line.slice(3)),
  );
}
