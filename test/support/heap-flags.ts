/** For Node: a young generation of 64 MiB and no concurrent work, so that what is allocated stays visible until the end. */
export const HEAP_FLAGS = [
  '--expose-gc',
  '--max-semi-space-size=64',
  '--min-semi-space-size=64',
  '--single-threaded',
];
