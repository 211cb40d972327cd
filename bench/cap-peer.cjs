// Counts packets with the `cap` package: one event a packet. Arguments: interface, filter. Prints "listening", then on
// SIGINT the number of packets.
const { Cap } = require('cap');

const [device, filter] = process.argv.slice(2);
const cap = new Cap();
const buffer = Buffer.alloc(65535);
cap.open(device, filter, 32 << 20, buffer);
let packets = 0;
cap.on('packet', () => {
  packets++;
});
process.on('SIGINT', () => {
  process.stderr.write(`${packets} packets captured\n`);
  process.exit(0);
});
process.stderr.write('listening\n');
