import { parseAddress } from '../../decoders/address.ts';
import { parseNumber } from '../netlink/names.ts';
import { RouteTextError } from './text-words.ts';

type Fields = Record<string, unknown>;

/** Reads values of one object of `ip -j`, and says which is wrong. */
export class FieldReader {
  readonly #source: string;
  readonly #fields: Fields;

  /** @throws RouteTextError when `fields` is no object */
  constructor(source: string, fields: unknown) {
    this.#source = source;
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
      throw new RouteTextError(source, 0, JSON.stringify(fields), 'should be an object of `ip -j`');
    this.#fields = fields as Fields;
  }

  /** Whether the field is there, whatever its value. */
  has(name: string): boolean {
    return name in this.#fields;
  }

  /** The field as it is; undefined when it is missing. */
  raw(name: string): unknown {
    return this.#fields[name];
  }

  /** A string or number as a string; null when the field is missing. */
  text(name: string): string | null {
    const value = this.#fields[name];
    if (value === undefined || value === null) return null;
    if (typeof value === 'string' || typeof value === 'number') return String(value);
    throw this.error(name, 'should be a string or number');
  }

  /** The field through `parse`; null when it is missing. */
  value<T>(name: string, expected: string, parse: (text: string) => T | null): T | null {
    const text = this.text(name);
    if (text === null) return null;
    const value = parse(text);
    if (value === null) throw this.error(name, `should be ${expected}`);
    return value;
  }

  /** A number that fits into 32 bits, also in a string; null when the field is missing. */
  number(name: string): number | null {
    return this.value(name, 'a number', parseNumber);
  }

  /** The objects of a list; none when the field is missing. */
  list(name: string): FieldReader[] {
    const value = this.#fields[name];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw this.error(name, 'should be a list');
    return value.map((item) => new FieldReader(this.#source, item));
  }

  /** The object in a field; null when it is missing. */
  object(name: string): FieldReader | null {
    const value = this.#fields[name];
    return value === undefined || value === null ? null : new FieldReader(this.#source, value);
  }

  /** The error for a field's value. */
  error(name: string, reason: string): RouteTextError {
    return new RouteTextError(this.#source, 0, `${name}: ${JSON.stringify(this.#fields[name])}`, reason);
  }
}

/** The text when it is an address, else null. */
export function addressText(text: string): string | null {
  return parseAddress(text) === null ? null : text;
}
