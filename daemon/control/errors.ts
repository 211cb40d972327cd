/** Codes of Error in nstap.proto, and of what goes wrong before an answer comes. Stable. */
export const CONTROL_CODES = [
  'CONTROL_BAD_FRAME',
  'CONTROL_BAD_REQUEST',
  'CONTROL_VERSION',
  'CONTROL_BUSY',
  'CONTROL_NOT_FOUND',
  'CONTROL_REFUSED',
  'CONTROL_TIMEOUT',
  'CONTROL_STOPPING',
  'CONTROL_FAILED',
  'CONTROL_NO_DAEMON',
  'CONTROL_DENIED',
  'CONTROL_CLOSED',
] as const;
export type ControlCode = (typeof CONTROL_CODES)[number];

/** Something about the control socket went wrong: operation, object, reason, and what to do. */
export class ControlError extends Error {
  readonly code: ControlCode;

  constructor(code: ControlCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ControlError';
    this.code = code;
  }
}

/** A connection has one stream of a kind. */
export function streamExists(): ControlError {
  return new ControlError('CONTROL_BUSY', 'this connection has such a stream already');
}
