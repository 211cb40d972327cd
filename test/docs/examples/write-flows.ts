// Has the daemon write every flow as it is now, and waits until they are in the database.
import { askRunningDaemon } from '../../../cli/running-daemon.ts';

await askRunningDaemon(undefined, (client) => client.checkpoint());
