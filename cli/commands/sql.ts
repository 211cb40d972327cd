import { type Command, Option } from 'commander';
import { ROW_FORMATS } from '../row-formats.ts';
import type { SqlFlags } from '../sql-command.ts';

/** `nstap sql`: questions in SQL. */
export function registerSql(program: Command): void {
  program
    .command('sql')
    .description('ask the database in SQL, read-only')
    .argument('[statement]', 'SELECT, WITH, VALUES or EXPLAIN; - reads it from stdin; with --schema a view')
    .option('--db <file>', 'database to read (default: see `nstap --help`)')
    .addOption(
      new Option('--format <name>', 'how to print (default: table on a terminal, else csv)').choices(
        ROW_FORMATS,
      ),
    )
    .addOption(new Option('--json', 'as --format json').conflicts('format'))
    .option('--schema', 'list views, columns and functions, or the columns of one view')
    .option('--timeout <time>', 'give up after this time: 500ms, 30s, 5m')
    .addHelpText(
      'after',
      `
Views: flows, routes, flow_routes, flow_series, experiments, runs, captures, interfaces, losses, gaps. See docs/sql.md.
Addresses and times are text; an index answers filters on src_ip, dst_ip, src_port, dst_port, netns, interface, start_ns,
end_ns, flow_id and on the columns route_fwd_* and route_rev_*:
  src_ip = ip('10.0.0.1')    src_ip BETWEEN net_first('10.0.0.0/8') AND net_last('10.0.0.0/8')    start_ns >= ns('10m')

Example:
  $ nstap sql "SELECT dst, sum(bytes_fwd + bytes_rev) AS bytes FROM flows GROUP BY dst_ip ORDER BY bytes DESC LIMIT 10"
  $ nstap sql "SELECT start, src, dst, route_fwd_text FROM flows WHERE route_fwd_type = 'blackhole'" --json
  $ nstap sql --schema flows
  $ nstap sql - < report.sql > report.csv`,
    )
    .action(async (statement: string | undefined, flags: SqlFlags) => {
      const { sqlCommand } = await import('../sql-command.ts');
      await sqlCommand(statement, flags);
    });
}
