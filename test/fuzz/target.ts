/** Something that reads untrusted octets. */
export interface Target {
  readonly name: string;
  /** Inputs to begin with: well-formed ones. */
  seeds(): Uint8Array[];
  /**
   * Takes one input and checks what must hold of it. Throws when it does not; the message says what.
   * @returns a number that is equal for inputs that went the same way, so that new ways are kept and mutated further
   */
  run(input: Uint8Array): number;
}

/** Thrown by a target that saw an invariant broken. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** Folds a value into a signature. */
export function fold(signature: number, value: number): number {
  const h = Math.imul(signature ^ value, 0x9e3779b1);
  return (h ^ (h >>> 15)) | 0;
}
