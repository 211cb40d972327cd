// Conversations over TCP whose octets are known. `server HOST PORT` answers each piece with two of its size, until it is killed.
// `client HOST PORT COUNT` keeps COUNT connections, each of which sends a piece again and again, until its standard input
// ends; then it closes them, and prints what each sent and received as JSON, by its local port.
import { connect, createServer, type Socket } from 'node:net';

/** Octets of the pieces, at most: with the answer less than a segment. */
const PIECE_MAX = 600;
const EVERY_MS = 40;

const [mode, host, port, count] = process.argv.slice(2);

function serve(): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('data', (piece) => socket.write(Buffer.alloc(2 * piece.length)));
    socket.on('end', () => socket.end());
  });
  server.listen(Number(port), host, () => process.stdout.write('ready\n'));
}

async function open(): Promise<Socket> {
  const socket = connect({ host: host!, port: Number(port), allowHalfOpen: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.setNoDelay(true);
  socket.on('data', () => undefined);
  return socket;
}

async function talk(): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: Number(count) }, open));
  const ports = sockets.map((socket) => socket.localPort!);
  let round = 0;
  const say = (): void => {
    for (const [i, socket] of sockets.entries())
      socket.write(Buffer.alloc(1 + ((round * 37 + i * 101) % PIECE_MAX)));
    round++;
  };
  for (let i = 0; i < 3; i++) say();
  process.stdout.write('ready\n');
  const timer = setInterval(say, EVERY_MS);
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
  clearInterval(timer);
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.end().once('close', resolve))));
  const counts = sockets.map((socket, i) => [ports[i], [socket.bytesWritten, socket.bytesRead]]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(counts))}\n`);
}

if (mode === 'server') serve();
else await talk();
