// Reads a capture with a package of npm, counts the packets and prints the number. Without a file it only loads the package.
const [name, file] = process.argv.slice(2);
const library = require(name);
let count = 0;
const counted = () => {
  count++;
};
const done = () => process.stdout.write(`${count}\n`);
if (file !== undefined && name === 'pcap-parser') {
  const reader = library.parse(file);
  reader.on('packet', counted).on('end', done);
  reader.on('error', (error) => {
    throw error;
  });
} else if (file !== undefined) {
  library.createOfflineSession(file).on('packet', counted).on('complete', done);
}
