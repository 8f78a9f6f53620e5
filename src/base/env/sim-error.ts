/**
 * The errors of the simulated disk: the same fields and the same wording as Node's own, so that code which reads
 * `code`, and people who read messages, cannot tell the two apart.
 */

const ERRNO = {
  ENOENT: { errno: -2, text: 'no such file or directory' },
  EIO: { errno: -5, text: 'i/o error' },
  EBADF: { errno: -9, text: 'bad file descriptor' },
  EACCES: { errno: -13, text: 'permission denied' },
  EBUSY: { errno: -16, text: 'resource busy or locked' },
  EEXIST: { errno: -17, text: 'file already exists' },
  ENOTDIR: { errno: -20, text: 'not a directory' },
  EISDIR: { errno: -21, text: 'illegal operation on a directory' },
  EINVAL: { errno: -22, text: 'invalid argument' },
  EMFILE: { errno: -24, text: 'too many open files' },
  EFBIG: { errno: -27, text: 'file too large' },
  ENOSPC: { errno: -28, text: 'no space left on device' },
  EROFS: { errno: -30, text: 'read-only file system' },
  ENAMETOOLONG: { errno: -36, text: 'name too long' },
  ENOTEMPTY: { errno: -39, text: 'directory not empty' },
} as const

export type Errno = keyof typeof ERRNO

export class SimSystemError extends Error {
  readonly code: Errno
  /** Linux's number, negative, as Node gives it. */
  readonly errno: number
  readonly syscall: string
  readonly path: string

  constructor(code: Errno, syscall: string, path: string, destination?: string) {
    const places = destination === undefined ? `'${path}'` : `'${path}' -> '${destination}'`
    super(`${code}: ${ERRNO[code].text}, ${syscall} ${places}`)
    this.code = code
    this.errno = ERRNO[code].errno
    this.syscall = syscall
    this.path = path
  }
}

/**
 * The simulated process ended inside a file system call. It has no `code`: nothing may take it for an error of the
 * disk and carry on. Whoever steps the simulation catches it and calls killProcess() or crash().
 */
export class SimHalt extends Error {
  override readonly name = 'SimHalt'
}
