import type { Socket } from 'node:net';
import { decodeRequest, encodeBody, encodeHead } from './codec.ts';
import { ControlError } from './errors.ts';
import { FrameReader, frameOf, REQUEST_MAX, RESPONSE_MAX } from './framing.ts';
import type { ControlLimits } from './limits.ts';
import { CONTROL_VERSION, type ControlRequest, type ResponseBody, type Welcome } from './messages.ts';

/** Patience with a client that was told why it is closed. */
const END_MS = 1000;

/** What a connection asks of its server. */
export interface ConnectionHooks {
  welcome(): Welcome;
  /**
   * Carries out a request other than `hello` and `cancel`; a stream is begun here and goes on after it.
   * @throws ControlError, which becomes the answer
   */
  request(connection: ControlConnection, request: ControlRequest): Promise<void>;
  /** @returns false when there is no such stream */
  cancel(connection: ControlConnection, id: number): Promise<boolean>;
  hasStream(connection: ControlConnection, id?: number): boolean;
  closed(connection: ControlConnection, reason: string): void;
}

/**
 * The daemon's end of one client's connection. Requests are carried out one after the other, and while one is, nothing more
 * is read: a client cannot pile up work.
 */
export class ControlConnection {
  /** What it said it is. */
  client = '';
  readonly #socket: Socket;
  readonly #limits: ControlLimits;
  readonly #hooks: ConnectionHooks;
  readonly #reader = new FrameReader(REQUEST_MAX);
  #isGreeted = false;
  #isBusy = false;
  #isOpen = true;
  /** Times of performance.now(): of the connection or its last request, of a message that has begun, of progress in sending. */
  #activeMs: number;
  #frameSinceMs = 0;
  #stallSinceMs = 0;
  #sentBytes = 0;

  constructor(socket: Socket, limits: ControlLimits, hooks: ConnectionHooks) {
    this.#socket = socket;
    this.#limits = limits;
    this.#hooks = hooks;
    this.#activeMs = performance.now();
    socket.on('data', (chunk) => {
      if (!this.#isOpen) return;
      this.#reader.push(chunk);
      void this.#read();
    });
    // A peer that is gone; `close` follows.
    socket.on('error', () => {});
    socket.on('close', () => this.close('the client has gone'));
  }

  /** Octets that wait for the client. */
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  /** Sends an answer, or one more piece of it. */
  send(id: number, end: boolean, body: ResponseBody): void {
    this.sendEncoded(id, end, encodeBody(body));
  }

  /** As `send`, for a body that several clients get. */
  sendEncoded(id: number, end: boolean, body: Uint8Array): void {
    if (this.#isOpen) this.#socket.write(frameOf([encodeHead(id, end), body], RESPONSE_MAX));
  }

  /** Waits until little enough waits for the client that more may be sent. */
  async drained(): Promise<void> {
    while (this.#isOpen && this.#socket.writableLength >= this.#limits.queueBytes)
      await new Promise<void>((resolve) => {
        this.#socket.once('drain', resolve);
        this.#socket.once('close', () => resolve());
      });
  }

  /** Looks at the clock. To be called every now and then. */
  sweep(nowMs: number): void {
    const { helloMs, frameMs, idleMs, stallMs } = this.#limits;
    const { writableLength, bytesWritten } = this.#socket;
    // bytesWritten has what is queued, too.
    const sent = bytesWritten - writableLength;
    if (writableLength === 0 || sent !== this.#sentBytes) this.#stallSinceMs = nowMs;
    this.#sentBytes = sent;
    if (!this.#reader.isPartial || this.#isBusy) this.#frameSinceMs = nowMs;

    if (!this.#isGreeted && nowMs - this.#activeMs > helloMs)
      this.fail(new ControlError('CONTROL_TIMEOUT', `no hello within ${helloMs / 1000} s`));
    else if (nowMs - this.#frameSinceMs > frameMs)
      this.fail(new ControlError('CONTROL_TIMEOUT', `a message was not whole after ${frameMs / 1000} s`));
    else if (nowMs - this.#stallSinceMs > stallMs)
      this.close(`the client has read nothing for ${stallMs / 1000} s`);
    else if (this.#isBusy || this.#hooks.hasStream(this)) this.#activeMs = nowMs;
    else if (this.#isGreeted && nowMs - this.#activeMs > idleMs)
      this.fail(new ControlError('CONTROL_TIMEOUT', `no request for ${idleMs / 1000} s`));
  }

  /** Tells the client what is wrong with it, and closes. */
  fail({ code, message }: ControlError): void {
    if (!this.#isOpen) return;
    this.sendError(0, { code, message });
    endSoon(this.#socket);
    this.close(`${code}: ${message}`);
  }

  /** Closes at once. Idempotent. */
  close(reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // What `fail` has written is still sent.
    if (!this.#socket.writableEnded) this.#socket.destroy();
    this.#hooks.closed(this, reason);
  }

  async #read(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#socket.pause();
    try {
      for (let frame = this.#next(); frame !== null; frame = this.#next()) {
        this.#activeMs = performance.now();
        this.#frameSinceMs = this.#activeMs;
        await this.#answer(frame);
        await this.drained();
      }
    } catch (error) {
      this.fail(asControlError(error));
    }
    this.#isBusy = false;
    this.#socket.resume();
  }

  #next(): Uint8Array | null {
    return this.#isOpen ? this.#reader.next() : null;
  }

  /** @throws ControlError when the connection cannot go on */
  async #answer(frame: Uint8Array): Promise<void> {
    const request = decodeRequest(frame);
    const { id } = request;
    if (!this.#isGreeted) {
      this.#greet(request);
      return;
    }
    try {
      if (request.kind === 'hello') throw new ControlError('CONTROL_BAD_REQUEST', 'hello was said already');
      if (this.#hooks.hasStream(this, id))
        throw new ControlError('CONTROL_BAD_REQUEST', `id ${id} is that of a stream that still goes on`);
      if (request.kind !== 'cancel') await this.#hooks.request(this, request);
      else {
        if (!(await this.#hooks.cancel(this, request.body.id)))
          throw new ControlError('CONTROL_NOT_FOUND', `cancel: there is no stream ${request.body.id}`);
        this.send(id, true, {});
      }
    } catch (error) {
      const { code, message } = asControlError(error);
      this.sendError(id, { code, message });
    }
  }

  #greet(request: ControlRequest): void {
    if (request.kind !== 'hello')
      throw new ControlError('CONTROL_BAD_REQUEST', 'the first request is not hello');
    const { version, client } = request.body;
    if (version !== CONTROL_VERSION)
      throw new ControlError(
        'CONTROL_VERSION',
        `protocol version ${version}; this daemon speaks ${CONTROL_VERSION}: use the nstap that belongs to it`,
      );
    this.client = client.slice(0, 64);
    this.#isGreeted = true;
    this.send(request.id, true, { welcome: this.#hooks.welcome() });
  }

  /** Ends a request, or a stream, with an error. */
  sendError(id: number, error: { code: string; message: string }): void {
    if (this.#isOpen) this.#socket.write(frameOf([encodeHead(id, true, error)], RESPONSE_MAX));
  }
}

/** Closes a socket once what was written is sent, but does not wait long for a client that does not read. */
export function endSoon(socket: Socket): void {
  socket.destroySoon();
  const timer = setTimeout(() => socket.destroy(), END_MS);
  socket.once('close', () => clearTimeout(timer));
}

function asControlError(error: unknown): ControlError {
  if (error instanceof ControlError) return error;
  return new ControlError('CONTROL_FAILED', (error as Error).message, { cause: error });
}
