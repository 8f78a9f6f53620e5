/** Which of the prebuilt addons fits this machine: `linux-x64`, `linux-x64.musl`, `darwin-arm64`. */
import { closeSync, openSync, readSync } from 'node:fs'

export function platformFolder(): string {
  const isMusl = process.platform === 'linux' && interpreterIsMusl()
  return `${process.platform}-${process.arch}${isMusl ? '.musl' : ''}`
}

/**
 * An ELF file names its dynamic loader near its start: Node's own tells which C library this process has. Reading it
 * takes microseconds in each thread that starts; process.report takes milliseconds, and looks up host names.
 */
function interpreterIsMusl(): boolean {
  const head = Buffer.alloc(4096)
  const fd = openSync(process.execPath, 'r')
  try {
    return head.toString('latin1', 0, readSync(fd, head, 0, head.length, 0)).includes('/ld-musl-')
  } finally {
    closeSync(fd)
  }
}
