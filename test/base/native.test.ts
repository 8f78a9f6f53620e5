/** The addon through its one importer: each system call, refused arguments, many threads, truncation under a map. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { platformFolder } from '../../src/base/env/platform.ts'
import { native, nativeStatus, systemError } from '../../src/base/native.ts'
import { mulberry32, testSeed } from '../random.ts'

const { EBADF, EINVAL, ENODEV, EWOULDBLOCK } = constants.errno
const ADDON = fileURLToPath(new URL(`../../prebuilds/${platformFolder()}/vltava_native.node`, import.meta.url))
const NATIVE_MODULE = pathToFileURL('dist/base/native.js').href
const PRINT_STATUS = `
  import { nativeStatus } from '${NATIVE_MODULE}'
  console.log(JSON.stringify(nativeStatus()))`

interface Outcome {
  stdout: string
  stderr: string
  status: number | null
  signal: string | null
}

function runNode(script: string, environment: Record<string, string>, ...flags: string[]): Outcome {
  const options = { encoding: 'utf8', env: { ...process.env, ...environment } } as const
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [...flags, '-e', script], options)
  return { stdout, stderr, status, signal }
}

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vltava-native-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

describe('without the addon', () => {
  it('says that it was switched off', () => {
    const { stdout } = runNode(PRINT_STATUS, { VLTAVA_NATIVE: 'off' }, '--input-type=module')
    expect(JSON.parse(stdout)).toEqual({ live: false, reason: 'switched off by VLTAVA_NATIVE=off' })
  })

  /** A copy of the built module where no addon stands beside it, or a broken one. */
  function copyOfModule(addon?: string): string {
    mkdirSync(join(folder, 'dist/base/env'), { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    for (const name of ['native.js', 'env/platform.js'])
      copyFileSync(`dist/base/${name}`, join(folder, 'dist/base', name))
    if (addon !== undefined) {
      mkdirSync(join(folder, 'prebuilds', platformFolder()), { recursive: true })
      writeFileSync(join(folder, 'prebuilds', platformFolder(), 'vltava_native.node'), addon)
    }
    return PRINT_STATUS.replace(NATIVE_MODULE, pathToFileURL(join(folder, 'dist/base/native.js')).href)
  }

  it('keeps the reason: the file is missing', () => {
    const { stdout } = runNode(copyOfModule(), { VLTAVA_NATIVE: '' }, '--input-type=module')
    expect(JSON.parse(stdout)).toMatchObject({ live: false, reason: expect.stringMatching(/vltava_native\.node/) })
  })

  it('keeps the reason: the file does not load', () => {
    const { stdout } = runNode(copyOfModule('no addon'), { VLTAVA_NATIVE: '' }, '--input-type=module')
    expect(JSON.parse(stdout)).toMatchObject({ live: false, reason: expect.stringMatching(/vltava_native\.node/) })
  })

  it('throws where it is required', () => {
    const outcome = runNode(copyOfModule(), { VLTAVA_NATIVE: 'required' }, '--input-type=module')
    expect(outcome.status).toBe(1)
    expect(outcome.stderr).toContain('VLTAVA_NATIVE=required, but: ')
  })
})

it('makes a system error as Node does', () => {
  const error = systemError(-EBADF, 'fdatasync', 'a-0/00000000000000000000.log')
  expect(error.message).toBe("EBADF: fdatasync 'a-0/00000000000000000000.log'")
  expect(error).toMatchObject({
    code: 'EBADF',
    errno: -EBADF,
    syscall: 'fdatasync',
    path: 'a-0/00000000000000000000.log',
  })
})

if (native === undefined) {
  console.warn(`LEFT OUT: the tests of the addon's functions, for it is not loaded: ${nativeStatus().reason}`)
  it.skip('LEFT OUT, the addon is not loaded: its functions', () => {})
} else {
  const addon = native

  it('says which file it was loaded from', () => {
    expect(nativeStatus()).toEqual({ live: true, reason: `loaded from ${ADDON}` })
  })

  it('answers EBADF for a descriptor that is none', () => {
    for (const fd of [-1, 987_654, 2 ** 31 - 1, -(2 ** 31)]) {
      expect(addon.mmap(fd, 0, 4096)).toBe(-EBADF)
      expect(addon.sendfile(fd, fd, 0, 10)).toBe(-EBADF)
      expect(addon.fdatasync(fd)).toBe(-EBADF)
      expect(addon.flock(fd)).toBe(-EBADF)
      expect(addon.shutdown(fd)).toBe(-EBADF)
    }
  })

  it('answers EINVAL to numbers out of range', () => {
    const fd = openSync(join(folder, 'a'), 'w+')
    for (const bad of [-1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53, 1e300]) {
      expect(addon.mmap(fd, bad, 4096), `mmap position ${bad}`).toBe(-EINVAL)
      expect(addon.mmap(fd, 0, bad), `mmap length ${bad}`).toBe(-EINVAL)
      expect(addon.sendfile(fd, fd, bad, 10)).toBe(-EINVAL)
      expect(addon.sendfile(fd, fd, 0, bad)).toBe(-EINVAL)
      expect(addon.crc32c(new Uint8Array(10), bad, 10, 0)).toBe(-EINVAL)
      expect(addon.crc32c(new Uint8Array(10), 0, bad, 0)).toBe(-EINVAL)
      expect(addon.crc32c(new Uint8Array(10), 0, 10, bad)).toBe(-EINVAL)
    }
    for (const bad of [0.5, Number.NaN, 2 ** 31, -(2 ** 31) - 1]) expect(addon.fdatasync(bad)).toBe(-EINVAL)
    expect(addon.mmap(fd, 0, 0)).toBe(-EINVAL)
    expect(addon.mmap(fd, 1, 10)).toBe(-EINVAL)
    expect(addon.mmap(fd, 0, 2 ** 31 + 1)).toBe(-EINVAL)
    expect(addon.crc32c(new Uint8Array(10), 6, 5, 0)).toBe(-EINVAL)
    closeSync(fd)
  })

  it('throws a TypeError for an argument of the wrong type, or none', () => {
    const call = addon as unknown as Record<string, (...values: unknown[]) => unknown>
    for (const wrong of ['1', null, undefined, {}, 1n, true]) {
      for (const name of ['fdatasync', 'flock', 'shutdown', 'munmap'])
        expect(() => call[name]!(wrong)).toThrow(TypeError)
      for (const place of [0, 1, 2])
        expect(() => call['mmap']!(...[-1, 0, 1].with(place, wrong as never))).toThrow(TypeError)
      for (const place of [0, 1, 2, 3]) {
        expect(() => call['sendfile']!(...[-1, -1, 0, 1].with(place, wrong as never))).toThrow(TypeError)
        expect(() => call['crc32c']!(...[new Uint8Array(1), 0, 1, 0].with(place, wrong as never))).toThrow(TypeError)
      }
    }
    for (const name of Object.keys(addon).filter((key) => !/Count$|Bytes$/.test(key)))
      expect(() => call[name]!()).toThrow(TypeError)
  })

  it('sends, says when a buffer is full, and calls back once when there is room or the socket was shut down', async () => {
    const server = createServer({ pauseOnConnect: true })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const peer = await new Promise<Socket>((resolve) => server.once('connection', resolve))
    const { fd } = (client as Socket & { _handle: { fd: number } })._handle
    const bytes = new Uint8Array(1 << 20)
    let sent = 0
    for (let count = 0; count >= 0; sent += Math.max(0, count)) count = addon.send(fd, bytes, 0, bytes.length, true)
    expect(sent).toBeGreaterThan(0)
    let calls = 0
    const isWritable = new Promise<void>((resolve) => {
      expect(addon.awaitWritable(fd, () => resolve(void (calls += 1)))).toBe(0)
    })
    peer.resume()
    await isWritable
    expect(calls).toBe(1)
    peer.pause()
    const isShutDown = new Promise<void>((resolve) => expect(addon.awaitWritable(fd, resolve)).toBe(0))
    const duplicate = addon.dup(fd)
    expect(duplicate).toBeGreaterThan(0)
    closeSync(duplicate)
    expect(addon.shutdown(fd)).toBe(0)
    await isShutDown
    expect(addon.awaitWritable(1_000_003, () => undefined)).toBeLessThan(0)
    expect(addon.dup(1_000_003)).toBeLessThan(0)
    peer.destroy()
    client.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  it('survives arguments of every kind in every place', () => {
    const seed = testSeed()
    const next = mulberry32(seed)
    const file = openSync(join(folder, 'a'), 'w+')
    writeSync(file, 'some content')
    const detached = new Uint8Array(8)
    structuredClone(detached, { transfer: [detached.buffer] })
    // No small numbers: as a descriptor they could be one of the test runner's own.
    const kinds: unknown[] = [
      undefined, null, true, '', '3', Symbol('s'), 10n, {}, [], () => 1, new Date(0), new Proxy({}, {}),
      -1, 2 ** 31, 2 ** 32, 2 ** 53, -0.1, Number.NaN, Infinity, 65_536, 1_000_003, file,
      new Uint8Array(0), new Uint8Array(100), new Uint8Array(new SharedArrayBuffer(100)), Buffer.alloc(10), detached,
      new Uint16Array(9), new Float64Array(3), new DataView(new ArrayBuffer(8)), new ArrayBuffer(8), { length: 3 },
    ] // prettier-ignore
    const functions = Object.values(addon) as ((...values: unknown[]) => unknown)[]
    expect(functions.length).toBe(13)
    for (let round = 0; round < 30_000; round++) {
      const call = functions[Math.floor(next() * functions.length)]!
      const values = Array.from({ length: Math.floor(next() * 6) }, () => kinds[Math.floor(next() * kinds.length)])
      let result: unknown
      try {
        result = call(...values)
      } catch (error) {
        expect(error, `SEED=${seed} round=${round}`).toBeInstanceOf(TypeError)
        continue
      }
      if (call === (addon.dup as unknown) && Number(result) >= 0) closeSync(Number(result))
      if (result instanceof Uint8Array) expect(addon.munmap(result)).toBe(0)
      else expect(result, `SEED=${seed} round=${round}`).toBeTypeOf('number')
    }
    expect(addon.mappedCount()).toBe(0)
    closeSync(file)
  })

  describe('mmap and munmap', () => {
    it('show the file, count, and detach every view', () => {
      const fd = openSync(join(folder, 'a'), 'w+')
      writeSync(fd, 'mapped content')
      const view = addon.mmap(fd, 0, 14) as Uint8Array
      closeSync(fd)
      expect(Buffer.from(view).toString()).toBe('mapped content')
      expect([addon.mappedCount(), addon.mappedBytes()]).toEqual([1, 14])
      const other = new Uint8Array(view.buffer, 7)
      expect(addon.munmap(other)).toBe(-EINVAL) // Not the view that mmap returned.
      expect(addon.munmap(view)).toBe(0)
      expect([view.length, other.length, view[0]]).toEqual([0, 0, undefined])
      expect([addon.mappedCount(), addon.mappedBytes()]).toEqual([0, 0])
      expect(addon.munmap(view)).toBe(-EINVAL)
    })

    it('refuse what cannot be mapped, and what was not', () => {
      const directory = openSync(folder, 'r')
      expect(addon.mmap(directory, 0, 4096)).toBe(-ENODEV)
      closeSync(directory)
      expect(addon.munmap(new Uint8Array(4096))).toBe(-EINVAL)
      expect(addon.munmap(new Uint8Array(new SharedArrayBuffer(8)))).toBe(-EINVAL)
      expect(addon.mappedCount()).toBe(0)
    })

    it('leave nothing behind when a view is collected without munmap, nor unmap twice when it was', () => {
      const script = `
        const { openSync, writeFileSync } = require('node:fs')
        const addon = require(${JSON.stringify(ADDON)})
        writeFileSync('${folder}/a', Buffer.alloc(65536, 1))
        const fd = openSync('${folder}/a', 'r')
        let kept = []
        const collect = async () => {
          for (let round = 0; round < 20; round++) { global.gc(); await new Promise(setImmediate) }
        }
        // In a function of its own: the collector takes what a running one still has in its registers for live.
        const mapMany = () => {
          for (let index = 0; index < 200; index++) {
            const view = addon.mmap(fd, 0, 65536)
            if (index % 2 === 0) addon.munmap(view)
            if (index % 4 === 1) kept.push(view)
          }
        }
        ;(async () => {
          mapMany()
          await collect()
          const afterFirst = addon.mappedCount()
          // Maps made now may lie where unmapped ones lay: late finalizers must not touch them.
          const fresh = Array.from({ length: 100 }, () => addon.mmap(fd, 0, 65536))
          await collect()
          const sum = [...fresh, ...kept].reduce((total, view) => total + view[65535], 0)
          const afterSecond = addon.mappedCount()
          fresh.length = 0
          kept = []
          await collect()
          console.log(JSON.stringify([afterFirst, afterSecond, sum, addon.mappedCount(), addon.mappedBytes()]))
        })()`
      const { stdout, stderr, signal } = runNode(script, {}, '--expose-gc')
      expect({ stdout, stderr, signal }).toEqual({ stdout: '[50,150,150,0,0]\n', stderr: '', signal: null })
    })
  })

  it('starts no garbage collection, though V8 takes maps for memory of the process', () => {
    const script = `
      const { ftruncateSync, openSync } = require('node:fs')
      const addon = require(${JSON.stringify(ADDON)})
      const fd = openSync('${folder}/a', 'w+')
      ftruncateSync(fd, 2 ** 25)
      for (let round = 0; round < 500; round++) addon.munmap(addon.mmap(fd, 0, 2 ** 25))
      const views = Array.from({ length: 500 }, () => addon.mmap(fd, 0, 2 ** 25))
      console.log(views.length)`
    const { stdout, stderr } = runNode(script, {}, '--trace-gc')
    expect({ lastLine: stdout.trim().split('\n').pop(), stderr }).toEqual({ lastLine: '500', stderr: '' })
    // The start of Node may make one; counted as memory, these maps make hundreds.
    expect(stdout.match(/Mark-(Compact|Sweep)/gi)?.length ?? 0).toBeLessThan(10)
  })

  describe('a file truncated under its map', () => {
    const script = (truncate: string): string => `
      const { ftruncateSync, openSync, writeSync } = require('node:fs')
      const addon = require(${JSON.stringify(ADDON)})
      const fd = openSync('${folder}/a', 'w+')
      writeSync(fd, Buffer.alloc(1 << 20, 7))
      const view = addon.mmap(fd, 0, 1 << 20)
      const sum = () => view.reduce((total, byte) => total + byte, 0)
      const before = sum()
      ${truncate}
      const after = sum()
      const crc = addon.crc32c(view, 0, view.length, 0)
      console.log(JSON.stringify({ before, after, crc, faults: addon.sigbusCount(), unmapped: addon.munmap(view) }))`

    it('reads as zeros, and the process lives', () => {
      const { stdout, stderr, signal } = runNode(script('ftruncateSync(fd, 300)'), {})
      expect({ stderr, signal }).toEqual({ stderr: '', signal: null })
      const content = new Uint8Array(1 << 20)
      content.fill(7, 0, 300)
      const crc = addon.crc32c(content, 0, content.length, 0)
      expect(JSON.parse(stdout)).toMatchObject({ before: 7 * 2 ** 20, after: 2100, crc, unmapped: 0 })
      expect(JSON.parse(stdout).faults).toBeGreaterThan(0)
    })

    it('of a thread that ended long ago still ends the process as SIGBUS does, and not by a jump into nothing', () => {
      const thread = `
        const { openSync, writeSync } = require('node:fs')
        const addon = require(${JSON.stringify(ADDON)})
        const fd = openSync('${folder}/a', 'w+')
        writeSync(fd, Buffer.alloc(4096))
        addon.mmap(fd, 0, 4096)`
      const main = `
        const { Worker } = require('node:worker_threads')
        new Worker(${JSON.stringify(thread)}, { eval: true }).on('exit', () => process.kill(process.pid, 'SIGBUS'))
        setTimeout(() => {}, 10000)`
      expect(runNode(main, {})).toMatchObject({ stderr: '', signal: 'SIGBUS' })
    })
  })

  it('loads in this thread and in 20 at once, and again after they ended', async () => {
    const fd = openSync(join(folder, 'a'), 'w+')
    writeSync(fd, Buffer.alloc(65_536, 5))
    const thread = `
      const { parentPort, workerData } = require('node:worker_threads')
      const addon = require(workerData.addon)
      let sum = 0
      for (let round = 0; round < 200; round++) {
        const view = addon.mmap(workerData.fd, 0, 65536)
        sum += view[round] + (addon.crc32c(view, 0, 65536, 0) === workerData.crc ? 1 : 0)
        if (round % 10 !== 0) addon.munmap(view) // The rest is left to the end of the thread.
      }
      parentPort.postMessage(sum)`
    const crc = addon.crc32c(new Uint8Array(65_536).fill(5), 0, 65_536, 0)
    for (let generation = 0; generation < 2; generation++) {
      const workers = Array.from(
        { length: 20 },
        () => new Worker(thread, { eval: true, workerData: { addon: ADDON, fd, crc } }),
      )
      const sums = await Promise.all(
        workers.map(async (worker) => {
          const exited = once(worker, 'exit')
          const [sum] = (await once(worker, 'message')) as [number]
          await exited
          return sum
        }),
      )
      expect(sums).toEqual(Array.from({ length: 20 }, () => 200 * 6))
      expect(addon.mappedCount()).toBe(0)
    }
    closeSync(fd)
  })

  describe('sendfile and shutdown', () => {
    /** The two ends of a TCP connection, and the descriptor of the first. */
    async function connection(): Promise<{ near: Socket; fd: number; far: Socket; end: () => void }> {
      const server = createServer()
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('no port')
      const far = connect(address.port, '127.0.0.1')
      const [near] = (await once(server, 'connection')) as [Socket]
      const { fd } = (near as Socket & { _handle: { fd: number } })._handle
      return { near, fd, far, end: () => (near.destroy(), far.destroy(), server.close()) }
    }

    it('send a part of a file to a socket, count at its end, and close both directions', async () => {
      const file = openSync(join(folder, 'a'), 'w+')
      writeSync(file, 'skipped, then sent')
      const { near, fd, far, end } = await connection()
      expect(addon.sendfile(fd, file, 14, 100)).toBe(4)
      expect(addon.sendfile(fd, file, 18, 100)).toBe(0)
      expect(addon.sendfile(fd, file, 0, 0)).toBe(0)
      const [received] = (await once(far, 'data')) as [Buffer]
      expect(received.toString()).toBe('sent')
      near.on('error', () => expect.unreachable('the near end has no error'))
      const farEnded = once(far, 'end')
      expect(addon.shutdown(fd)).toBe(0)
      far.resume()
      await farEnded
      end()
      closeSync(file)
    })

    it('answer EAGAIN when the socket is full', async () => {
      const file = openSync(join(folder, 'a'), 'w+')
      ftruncateSync(file, 64 << 20)
      const { fd, far, end } = await connection()
      far.pause()
      let sent = 0
      let result = 0
      for (let round = 0; round < 1000 && result >= 0; round++) {
        result = addon.sendfile(fd, file, sent, 1 << 20)
        if (result > 0) sent += result
      }
      expect(result).toBe(-constants.errno.EAGAIN)
      expect(sent).toBeGreaterThan(0)
      end()
      closeSync(file)
    })

    it('refuse a file where a socket is wanted', () => {
      const file = openSync(join(folder, 'a'), 'w+')
      expect(addon.shutdown(file)).toBe(-constants.errno.ENOTSOCK)
      closeSync(file)
    })
  })

  it('fdatasync of a file is 0', () => {
    const file = openSync(join(folder, 'a'), 'w+')
    writeSync(file, 'content')
    expect(addon.fdatasync(file)).toBe(0)
    closeSync(file)
  })

  it('flock is exclusive between two opens of one file, in one process too, until the holder is closed', () => {
    const first = openSync(join(folder, 'a'), 'w')
    const second = openSync(join(folder, 'a'), 'w')
    expect(addon.flock(first)).toBe(0)
    expect(addon.flock(second)).toBe(-EWOULDBLOCK)
    expect(addon.flock(first)).toBe(0)
    closeSync(first)
    expect(addon.flock(second)).toBe(0)
    closeSync(second)
  })
}
