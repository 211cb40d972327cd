import type { CaptureInfo } from '../storage/messages.ts';
import type { EngineCommand } from './engine-messages.ts';
import { SCM_PAYLOAD_MAX } from './kernel/scm.ts';
import type { LinkLayer } from './kernel/packet-socket.ts';
import type { CaptureOpener } from './open-capture.ts';
import { ConfigError } from './options/errors.ts';

/** Octets of a message with a filter, beside its program and its text. */
const FILTER_ROOM = 1024;

/**
 * Commands that give open captures another filter, and notes it in their `info`. All are compiled before any is changed.
 * @throws PcapError when the filter is wrong for one of the captures; ConfigError when it is too long to be handed over
 */
export function filterCommands(
  opener: CaptureOpener,
  captures: readonly { readonly info: CaptureInfo; readonly layer: LinkLayer }[],
): EngineCommand[] {
  const commands = captures.map(({ info, layer }) => {
    const { filter, program } = opener.filterOf(info.netnsId!, layer);
    const text = program === null ? null : Buffer.from(program).toString('base64');
    if ((text?.length ?? 0) + Buffer.byteLength(JSON.stringify(filter)) + FILTER_ROOM > SCM_PAYLOAD_MAX)
      throw new ConfigError(['the filter is too long to be put in force without a restart']);
    return { type: 'filter' as const, captureIndex: info.index, filter, program: text };
  });
  for (const [i, { info }] of captures.entries()) info.filter = commands[i]!.filter;
  return commands;
}
