import { communityId } from '../decoders/community-id.ts';
import type { FlowDatabase } from './database.ts';

/**
 * Gives a connection the functions that filters use and that people may use in SQL:
 * `community_id(proto, src, dst, src_port, dst_port)` of the columns of `flows`, community id v1 as text.
 */
export function addSqlFunctions(db: FlowDatabase): void {
  db.function(
    'community_id',
    { deterministic: true, directOnly: true },
    (proto: unknown, src: unknown, dst: unknown, srcPort: unknown, dstPort: unknown) => {
      if (!(src instanceof Buffer && dst instanceof Buffer)) return null;
      return communityId({
        version: src.length === 4 ? 4 : 6,
        protocol: Number(proto),
        src,
        dst,
        srcPort: Number(srcPort ?? 0),
        dstPort: Number(dstPort ?? 0),
        hasPorts: srcPort !== null,
      });
    },
  );
}
