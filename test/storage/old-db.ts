import Database from 'better-sqlite3';
import { APPLICATION_ID, MIGRATIONS } from '../../storage/migrations.ts';

/** A new database as an older nstap made it, open. @param version of its schema */
export function oldDb(path: string, version: number): Database.Database {
  const db = new Database(path);
  for (const migration of MIGRATIONS.slice(0, version)) db.exec(migration);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma(`user_version = ${version}`);
  return db;
}
