/** Runs the built command line as a child process. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

export const MAIN = 'dist/cli/main.js'

export interface Outcome {
  readonly status: number | null
  readonly stdout: Buffer
  /** stdout as text. */
  readonly text: string
  readonly stderr: string
}

/** `vltava <args>`, with `stdin` or none. */
export function vltava(args: readonly string[], stdin: string | Uint8Array = '', env: NodeJS.ProcessEnv = {}): Outcome {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [MAIN, ...args], {
    input: stdin,
    env: { ...process.env, ...env },
    maxBuffer: 256 << 20,
    timeout: 60_000,
  })
  if (error !== undefined) throw error
  return { status, stdout, text: stdout.toString('utf8'), stderr: stderr.toString('utf8') }
}

/** As vltava(), for one that must succeed. */
export function vltavaOk(args: readonly string[], stdin: string | Uint8Array = ''): Outcome {
  const outcome = vltava(args, stdin)
  if (outcome.status !== 0) throw new Error(`vltava ${args.join(' ')}: ${outcome.status}\n${outcome.stderr}`)
  return outcome
}

export function startVltava(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
}

/** Of a started child: its exit status, or its signal. */
export function exitOf(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)))
}

/** Resolves when `text` has come on the stream. */
export function untilOutput(stream: NodeJS.ReadableStream, text: string): Promise<string> {
  let seen = ''
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1')
      if (seen.includes(text)) resolve(seen)
    })
    stream.on('end', () => reject(new Error(`the output ended without '${text}': ${seen}`)))
  })
}

/** A directory that is removed after the file's tests. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'vltava-cli-'))
  afterAll(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Every file below a directory: path -> content and time of the last change. */
export function snapshotOf(directory: string): Map<string, string> {
  const files = new Map<string, string>()
  if (!existsSync(directory)) return files
  for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(directory, entry)
    const stat = statSync(path)
    files.set(entry, stat.isDirectory() ? 'directory' : `${stat.mtimeMs} ${readFileSync(path).toString('base64')}`)
  }
  return files
}

/** Lines of a web server's log: the same for the same seed. */
export function accessLog(lineCount: number): string {
  let text = ''
  let state = 12345
  for (let i = 0; i < lineCount; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    const address = `192.0.2.${state % 256}`
    text += `${address} - - [01/Feb/2026:10:00:${String(i % 60).padStart(2, '0')} +0000] `
    text += `"GET /page/${state % 977}?n=${i} HTTP/1.1" 200 ${state % 65_536}\n`
  }
  return text
}

export interface JsonObject {
  readonly [name: string]: unknown
}

/** Objects of output with one on each line. */
export function jsonLines(text: string): JsonObject[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonObject)
}
