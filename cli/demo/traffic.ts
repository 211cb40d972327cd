import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * The beginner's server: on all addresses of its namespace. It says "listening" when it is ready, and ends with its stdin:
 * left behind by a demo that was killed, it would hold a namespace that has no name any more.
 */
const TCP_SERVER = `
process.stdin.resume().once('end', () => process.exit());
require('http').createServer((q, s) => s.end('hello from nstap\\n'))
  .listen(8900, '0.0.0.0', () => console.log('listening'))`;
const UDP_ECHO = `
process.stdin.resume().once('end', () => process.exit());
const s = require('dgram').createSocket('udp4');
s.on('message', (m, r) => s.send(m, r.port, r.address));
s.bind(5353, '0.0.0.0', () => console.log('listening'))`;

/** Runs Node with `script` inside a namespace; `words` are its arguments. */
function nodeIn(netns: string, script: string, words: string[]): string[] {
  return ['netns', 'exec', netns, process.execPath, '-e', script, '--', ...words];
}

/** Servers that run inside namespaces until they are stopped. */
export class Servers implements Disposable {
  readonly #children: ChildProcess[] = [];

  /** Starts the HTTP server on 0.0.0.0:8900 and waits until it listens. */
  http(netns: string): Promise<void> {
    return this.#start(netns, TCP_SERVER);
  }

  /** Starts the UDP echo on 0.0.0.0:5353 and waits until it is bound. */
  udpEcho(netns: string): Promise<void> {
    return this.#start(netns, UDP_ECHO);
  }

  #start(netns: string, script: string): Promise<void> {
    const child = spawn('ip', nodeIn(netns, script, []), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    return new Promise((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('error', reject);
      child.once('exit', (code) =>
        reject(new Error(`server in ${netns} ended with ${code} before it listened`)),
      );
    });
  }

  [Symbol.dispose](): void {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL');
  }
}

/**
 * Fetches http://ADDRESS:8900/ from inside a namespace.
 * @param from local address to use, or null for the kernel's choice
 * @returns the body, or the error's code ("ENETUNREACH")
 */
export async function fetchFrom(netns: string, address: string, from: string | null): Promise<string> {
  const script = `
const [host, localAddress] = process.argv.slice(1);
const q = require('http').get({ host, port: 8900, localAddress, agent: false, timeout: 3000 }, (r) => {
  let body = ''; r.on('data', (d) => { body += d; }); r.on('end', () => { console.log(body.trim()); });
});
q.on('timeout', () => q.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
q.on('error', (e) => { console.log(e.code); });`;
  const { stdout } = await run('ip', nodeIn(netns, script, from === null ? [address] : [address, from]));
  return stdout.trim();
}

/**
 * Sends one UDP datagram of 32 octets from inside a namespace and waits at most half a second for an answer.
 * @returns "answered", "refused" (an ICMP port unreachable came back) or "silence"
 */
export async function sendUdp(netns: string, address: string, port: number): Promise<string> {
  const script = `
const [host, port] = process.argv.slice(1);
const s = require('dgram').createSocket('udp4');
const end = (word) => { console.log(word); s.close(); clearTimeout(t); };
const t = setTimeout(() => end('silence'), 500);
s.on('message', () => end('answered'));
s.on('error', (e) => end(e.code === 'ECONNREFUSED' ? 'refused' : e.code));
s.connect(Number(port), host, () => s.send(Buffer.alloc(32, 'n')));`;
  const { stdout } = await run('ip', nodeIn(netns, script, [address, String(port)]));
  return stdout.trim();
}

/** Pings twice from inside a namespace. @returns false when there is no `ping` on this machine */
export async function ping(netns: string, address: string): Promise<boolean> {
  try {
    await run('ip', ['netns', 'exec', netns, 'ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', address]);
    return true;
  } catch (error) {
    const failed = error as Error & { stderr?: string };
    if (failed.stderr?.includes('exec of "ping" failed')) return false;
    throw new Error(`ping ${address} in ${netns}: no answer`, { cause: error });
  }
}
