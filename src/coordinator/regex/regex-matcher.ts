/**
 * Runs a program of regex-parser.ts over a name, all its threads in step: the work is at most the length of the name
 * times that of the program, whatever the expression.
 */
import { ASCII, isWordCode } from './regex-classes.ts'
import { type Assertion, compileRegex, type Instruction } from './regex-parser.ts'

export class TopicRegex {
  readonly #program: readonly Instruction[]
  /** The step in which an instruction was last visited. */
  readonly #visited: Int32Array
  #step = 0

  /** Throws RegexSyntaxError. */
  constructor(pattern: string) {
    this.#program = compileRegex(pattern)
    this.#visited = new Int32Array(this.#program.length)
  }

  /** Whether the expression matches the whole of it. */
  matches(name: string): boolean {
    let threads: number[] = []
    this.#step += 1
    this.#follow(0, name, 0, threads)
    for (let at = 0; at < name.length; at++) {
      const code = name.charCodeAt(at)
      const next: number[] = []
      this.#step += 1
      for (const index of threads) {
        const instruction = this.#program[index]!
        if (instruction.op !== 'class' || code >= ASCII || instruction.set[code] !== 1) continue
        this.#follow(index + 1, name, at + 1, next)
      }
      threads = next
      if (threads.length === 0) return false
    }
    return threads.some((index) => this.#program[index]!.op === 'match')
  }

  /** Adds all instructions that are reached from `start` without a character. */
  #follow(start: number, name: string, at: number, threads: number[]): void {
    const open = [start]
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (this.#visited[index] === this.#step) continue
      this.#visited[index] = this.#step
      const instruction = this.#program[index]!
      switch (instruction.op) {
        case 'class':
        case 'match':
          threads.push(index)
          break
        case 'jump':
          open.push(instruction.to)
          break
        case 'split':
          open.push(instruction.second, instruction.first)
          break
        case 'assert':
          if (holds(instruction.what, name, at)) open.push(index + 1)
          break
      }
    }
  }
}

function holds(what: Assertion, name: string, at: number): boolean {
  switch (what) {
    case 'start':
      return at === 0
    case 'end':
      return at === name.length
    case 'word':
    case 'noWord': {
      const isBoundary = isWordCode(name.charCodeAt(at - 1)) !== isWordCode(name.charCodeAt(at))
      return isBoundary === (what === 'word')
    }
  }
}
