// For `node --import`, and so for every thread of the process: counts calls of C functions by koffi, and of statements by better-sqlite3.
import Database from 'better-sqlite3';
import koffi from 'koffi';
import { type Counted, count } from './counts.ts';

type Call = (...words: unknown[]) => unknown;

const { load } = koffi;
koffi.load = (...words: Parameters<typeof load>) => {
  const library = load(...words);
  // What koffi returns cannot be changed.
  const func = (...definition: unknown[]): Call => {
    const call = Reflect.apply(library.func, library, definition) as Call;
    return (...values) => {
      count('ffi');
      return call(...values);
    };
  };
  return Object.create(library, { func: { value: func } });
};

function kindOf(sql: string): Counted {
  if (/^\s*insert into \S*\bflows\b/i.test(sql)) return 'insertFlow';
  if (/^\s*update \S*\bflows\b/i.test(sql)) return 'updateFlow';
  return /^\s*commit\b/i.test(sql) ? 'commit' : 'otherStatement';
}

const kinds = new WeakMap<object, Counted>();
const sample = new Database(':memory:');
const prototype = Object.getPrototypeOf(sample.prepare('SELECT 1')) as Record<string, Call>;
sample.close();
for (const name of ['run', 'get', 'all', 'iterate']) {
  const call = prototype[name]!;
  prototype[name] = function (this: { source: string }, ...values: unknown[]) {
    let kind = kinds.get(this);
    if (kind === undefined) {
      kind = kindOf(this.source);
      kinds.set(this, kind);
    }
    count(kind);
    return call.apply(this, values);
  };
}
