import Database from 'better-sqlite3';
import { Retention } from '../../storage/retention.ts';
import { put, startParted } from './parted.ts';

/**
 * A process that kills itself at a step: `node killed-process.ts DB STATEMENT`. It writes a flow into a first partition, another
 * one into a second, and drops the first; from the second partition on it dies at the first SQL that begins with STATEMENT. The
 * bound on size is such that a third partition is begun before the first is dropped.
 */
const [path, statement] = [process.argv[2]!, process.argv[3]!];
let isArmed = false;

function dieAt(sql: string): void {
  if (isArmed && sql.startsWith(statement)) process.kill(process.pid, 'SIGKILL');
}

for (const name of ['prepare', 'exec'] as const) {
  const real = Database.prototype[name] as (this: Database.Database, sql: string) => unknown;
  Object.assign(Database.prototype, {
    [name](this: Database.Database, sql: string) {
      dieAt(sql);
      return real.call(this, sql);
    },
  });
}

const [writer, channel] = startParted(path);
put(writer, channel, { seq: 0, src: [10, 0, 0, 1] });
isArmed = true;
writer.partitions!.begin();
put(writer, channel, { seq: 1, src: [10, 0, 0, 2] });
const retention = new Retention(
  writer,
  { ageSec: null, size: { octets: 1, percent: null }, free: null },
  () => {},
);
while (await retention.check());
writer.close();
process.stdout.write('lived\n');
