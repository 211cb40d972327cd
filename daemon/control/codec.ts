import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import { ControlError } from './errors.ts';
import type {
  ControlRequest,
  ControlResponse,
  RequestBodies,
  RequestKind,
  ResponseBody,
} from './messages.ts';

// The .proto itself is what is loaded: clients in other languages are made from the very same file.
const { root } = protobuf.parse(readFileSync(new URL('./nstap.proto', import.meta.url), 'utf8'));
const Request = root.lookupType('nstap.control.v1.Request');
const Response = root.lookupType('nstap.control.v1.Response');

const TO_OBJECT = { longs: Number, defaults: true, oneofs: true, bytes: Uint8Array } as const;

/** The octets of a request. */
export function encodeRequest<K extends RequestKind>(
  id: number,
  kind: K,
  body: RequestBodies[K],
): Uint8Array {
  return Request.encode(Request.create({ id, [kind]: body })).finish();
}

/**
 * Reads what a client sent.
 * @throws ControlError CONTROL_BAD_REQUEST: no protobuf, no request that this version knows, or no id
 */
export function decodeRequest(octets: Uint8Array): ControlRequest {
  let object: Record<string, unknown>;
  try {
    object = Request.toObject(Request.decode(octets), TO_OBJECT);
  } catch (error) {
    throw new ControlError('CONTROL_BAD_REQUEST', `request is no protobuf of nstap.proto`, { cause: error });
  }
  const { id, body: kind } = object as { id: number; body?: RequestKind };
  if (id === 0) throw new ControlError('CONTROL_BAD_REQUEST', 'request without an id');
  if (kind === undefined)
    throw new ControlError('CONTROL_BAD_REQUEST', `request ${id} asks for nothing that this daemon knows`);
  return { id, kind, body: object[kind] } as ControlRequest;
}

/** The octets of a response's body. Those of `encodeHead` before them make the response: one body serves many clients. */
export function encodeBody(body: ResponseBody): Uint8Array {
  return Response.encode(Response.create(body)).finish();
}

/** The octets of a response but its body. Fields of a message may come in any order, and in pieces (protobuf encoding). */
export function encodeHead(id: number, end: boolean, error?: { code: string; message: string }): Uint8Array {
  return Response.encode(Response.create({ id, end, ...(error === undefined ? {} : { error }) })).finish();
}

/** Reads what the daemon sent. @throws ControlError CONTROL_BAD_FRAME when it is none of nstap.proto */
export function decodeResponse(octets: Uint8Array): ControlResponse {
  try {
    const object = Response.toObject(Response.decode(octets), TO_OBJECT);
    return { error: null, ...object } as unknown as ControlResponse;
  } catch (error) {
    throw new ControlError('CONTROL_BAD_FRAME', 'the daemon sent what is no protobuf of nstap.proto', {
      cause: error,
    });
  }
}
