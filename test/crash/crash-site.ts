/** CrashSite: one data directory, the processes that are killed over it, and what is checked after each. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Found, Oracle } from './oracle.ts'

const ENGINE = fileURLToPath(new URL('./engine-process.mjs', import.meta.url))
const VERIFIER = fileURLToPath(new URL('./verify-process.mjs', import.meta.url))
const COMMAND_LINE = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface EngineOptions {
  readonly seed: number
  readonly checkpointMs?: number
  /** When the process closes the log and ends, if it is not killed before. Default: never. */
  readonly loadMs?: number
  readonly env?: Readonly<Record<string, string>>
}

/** Everybody of whom it must be known that he has ended. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** The process under load. */
export class EngineProcess {
  readonly ended: Promise<{ readonly status: number | null; readonly signal: string | null }>
  stderr = ''
  readonly #child: ChildProcess
  readonly #said = new Set<string>()
  #hasEnded = false
  #wake: () => void = () => undefined

  constructor(settings: object, env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [ENGINE, JSON.stringify(settings)], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this.#child)
    this.#child.stdout!.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n')) this.#said.add(line)
      this.#wake()
    })
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (status, signal) => {
        running.delete(this.#child)
        this.#hasEnded = true
        this.#wake()
        resolve({ status, signal })
      })
    })
  }

  /** Resolves when the process has said the line, or has ended. */
  async says(line: 'opening' | 'opened' | 'closed'): Promise<boolean> {
    while (!this.#said.has(line) && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#said.has(line)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }
}

export class CrashSite {
  readonly folder: string
  readonly dir: string
  readonly oracle = new Oracle()
  readonly recoveryMs: number[] = []
  readonly #notes: string
  #runs = 0

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'vltava-crash-'))
    this.dir = join(this.folder, 'data')
    this.#notes = join(this.folder, 'notes')
    mkdirSync(this.#notes)
  }

  start(options: EngineOptions): EngineProcess {
    const { seed, checkpointMs = 200, loadMs = 600_000, env = {} } = options
    const run = `r${this.#runs++}`
    return new EngineProcess({ dir: this.dir, oracle: this.#notes, run, seed, checkpointMs, loadMs }, env)
  }

  /** Opens the directory in a fresh process; returns what is wrong. */
  async check(): Promise<string[]> {
    const out = join(this.folder, 'found.json')
    rmSync(out, { force: true })
    const verified = await run(VERIFIER, [this.dir, out])
    if (!existsSync(out)) return [`the verifying process ended with status ${verified.status}: ${verified.output}`]
    const found = JSON.parse(readFileSync(out, 'utf8')) as Found
    this.recoveryMs.push(found.recoveryMs)
    this.oracle.read(this.#notes)
    const faults = this.oracle.check(found)
    if (verified.status !== 0) faults.push(`the verifying process ended with status ${verified.status}`)
    const checked = await run(COMMAND_LINE, ['verify', this.dir])
    if (checked.status !== 0) faults.push(`vltava verify: ${checked.output}`)
    return faults
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function run(program: string, args: readonly string[]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', reject)
    child.on('close', (status) => {
      running.delete(child)
      resolve({ status, output: output.slice(-4000) })
    })
  })
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
