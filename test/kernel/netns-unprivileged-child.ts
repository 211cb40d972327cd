// Without any capability: enters the namespace it is in already, then the one of its argument.
import { listInterfaces } from '../../daemon/kernel/interfaces.ts';
import { HOST_NETNS, openNetns, withNetns } from '../../daemon/kernel/netns.ts';
import { setCapabilities } from '../../daemon/kernel/privileges.ts';

const other = openNetns(process.argv[2]!);
setCapabilities([]);
const names = withNetns(openNetns(HOST_NETNS), () => listInterfaces().map(({ name }) => name));
process.stdout.write(`${names.includes('lo')}\n`);
withNetns(other, () => process.stdout.write('inside\n'));
