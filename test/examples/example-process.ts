/** An example as its user runs it: a child process on dist, its lines, and how it ended. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Ended with this test run, whatever happens to it. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export class ExampleProcess {
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  #hasEnded = false
  #wake: () => void = () => undefined

  constructor(name: string, ...args: readonly string[]) {
    const file = fileURLToPath(new URL(`../../examples/${name}.mjs`, import.meta.url))
    const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    running.add(child)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#wake()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.ended = new Promise((resolve) => {
      child.on('close', (status, signal) => {
        running.delete(child)
        this.#hasEnded = true
        this.#wake()
        resolve({ status, signal, stdout: this.#stdout, stderr: this.#stderr })
      })
    })
  }

  /** The first match in what it printed, as soon as it is there. Rejects if the process ends without it. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#stdout)
      if (match !== null) return match
      if (this.#hasEnded) throw new Error(`it ended without ${String(pattern)}:\n${this.#stdout}${this.#stderr}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

/** Runs an example to its end, which must be a good one, and returns what it printed. */
export async function runExample(name: string, ...args: readonly string[]): Promise<string> {
  const { status, signal, stdout, stderr } = await new ExampleProcess(name, ...args).ended
  if (status !== 0 || stderr !== '') {
    throw new Error(`${name} ${args.join(' ')}: status ${status}, signal ${signal}\n${stdout}${stderr}`)
  }
  return stdout
}
