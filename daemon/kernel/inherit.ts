import { check, libc } from './libc.ts';

const fcntlCall = libc.func('fcntl', 'int', ['int', 'int', 'int']);

/** linux/fcntl.h */
const F_SETFD = 2;
const F_DUPFD_CLOEXEC = 1030;

/** Lets a descriptor outlive execve(2): Node marks what it inherited as close-on-exec. @throws SyscallError */
export function keepAcrossExec(fd: number): void {
  check(fcntlCall(fd, F_SETFD, 0), 'fcntl', `descriptor ${fd}`);
}

/** Another descriptor of the same open file, close-on-exec; the caller closes it. @throws SyscallError */
export function duplicate(fd: number): number {
  return check(fcntlCall(fd, F_DUPFD_CLOEXEC, 0), 'fcntl', `descriptor ${fd}`);
}
