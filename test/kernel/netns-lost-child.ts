// Enters the namespace of its argument and closes the descriptor that leads back.
import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import { openNetns, withNetns } from '../../daemon/kernel/netns.ts';

const handle = openNetns(process.argv[2]!);
withNetns(handle, () => {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    if (fd === handle.fd) continue;
    let target = '';
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor of the listing itself is closed by now.
      continue;
    }
    if (target.startsWith('net:[')) closeSync(fd);
  }
});
process.stdout.write('came back\n');
