import { check, libc } from './libc.ts';

const fcntlCall = libc.func('fcntl', 'int', ['int', 'int', 'int']);

/** linux/fcntl.h */
const F_SETFD = 2;

/** Lets a descriptor outlive execve(2): Node marks what it inherited as close-on-exec. @throws SyscallError */
export function keepAcrossExec(fd: number): void {
  check(fcntlCall(fd, F_SETFD, 0), 'fcntl', `descriptor ${fd}`);
}
