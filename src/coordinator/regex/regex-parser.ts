/**
 * Topic expressions of consumer groups, parsed into a program for regex-matcher.ts.
 *
 * Not JavaScript's RegExp: that one goes back and tries again, and an expression like (a+)+$ from some client would
 * hold the shard for years. The syntax is RE2's, which has nothing that needs going back. Topic names are ASCII, so a
 * character is one of 128. Left out: classes by Unicode property (\pN).
 *
 * Bounds: PATTERN_MAX characters, PROGRAM_MAX instructions after repetitions are written out.
 */
import { ASCII, classOf, negate, POSIX_CLASSES, singleClass, withBothCases } from './regex-classes.ts'

export const PATTERN_MAX = 1024
export const PROGRAM_MAX = 2000
const REPEAT_MAX = 1000

export type Instruction =
  | { readonly op: 'class'; readonly set: Uint8Array }
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'assert'; readonly what: Assertion }
  | { readonly op: 'match' }

export type Assertion = 'start' | 'end' | 'word' | 'noWord'

export class RegexSyntaxError extends Error {
  override readonly name = 'RegexSyntaxError'
}

type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'class'; readonly set: Uint8Array }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number }

/** Throws RegexSyntaxError. */
export function compileRegex(pattern: string): Instruction[] {
  if (pattern.length > PATTERN_MAX) throw new RegexSyntaxError(`is longer than ${PATTERN_MAX} characters`)
  const program: Instruction[] = []
  emit(new Parser(pattern).parse(), program)
  push(program, { op: 'match' })
  return program
}

function push(program: Instruction[], instruction: Instruction): number {
  if (program.length >= PROGRAM_MAX) throw new RegexSyntaxError(`is too large: over ${PROGRAM_MAX} instructions`)
  return program.push(instruction) - 1
}

function emit(node: Node, program: Instruction[]): void {
  switch (node.kind) {
    case 'empty':
      return
    case 'class':
      push(program, { op: 'class', set: node.set })
      return
    case 'assert':
      push(program, { op: 'assert', what: node.what })
      return
    case 'sequence':
      for (const part of node.parts) emit(part, program)
      return
    case 'choice':
      emitChoice(node.parts, program)
      return
    case 'repeat':
      emitRepeat(node.part, node.min, node.max, program)
      return
  }
}

function emitChoice(parts: readonly Node[], program: Instruction[]): void {
  const ends: { to: number }[] = []
  parts.forEach((part, index) => {
    if (index === parts.length - 1) {
      emit(part, program)
      return
    }
    const split = { op: 'split' as const, first: program.length + 1, second: 0 }
    push(program, split)
    emit(part, program)
    const jump = { op: 'jump' as const, to: 0 }
    push(program, jump)
    ends.push(jump)
    split.second = program.length
  })
  for (const end of ends) end.to = program.length
}

function emitRepeat(part: Node, min: number, max: number, program: Instruction[]): void {
  for (let i = 0; i < min; i++) {
    push(program, { op: 'jump', to: program.length + 1 }) // Counts even a part that emits nothing.
    emit(part, program)
  }
  if (max === Infinity) {
    const split = { op: 'split' as const, first: program.length + 1, second: 0 }
    const at = push(program, split)
    emit(part, program)
    push(program, { op: 'jump', to: at })
    split.second = program.length
    return
  }
  const splits: { second: number }[] = []
  for (let i = min; i < max; i++) {
    const split = { op: 'split' as const, first: program.length + 1, second: 0 }
    push(program, split)
    splits.push(split)
    emit(part, program)
  }
  for (const split of splits) split.second = program.length
}

class Parser {
  readonly #text: string
  #at = 0
  #ignoresCase = false

  constructor(text: string) {
    this.#text = text
  }

  parse(): Node {
    const node = this.#choice()
    if (this.#at < this.#text.length) throw this.#error('has an unexpected )')
    return node
  }

  #choice(): Node {
    const parts: Node[] = [this.#sequence()]
    while (this.#skip('|')) parts.push(this.#sequence())
    return parts.length === 1 ? parts[0]! : { kind: 'choice', parts }
  }

  #sequence(): Node {
    const parts: Node[] = []
    while (this.#at < this.#text.length && !'|)'.includes(this.#text[this.#at]!)) {
      if (this.#skip('\\Q')) parts.push(...this.#quoted())
      else parts.push(this.#repeated(this.#atom()))
    }
    return { kind: 'sequence', parts }
  }

  #quoted(): Node[] {
    const end = this.#text.indexOf('\\E', this.#at)
    const text = this.#text.slice(this.#at, end < 0 ? undefined : end)
    this.#at = end < 0 ? this.#text.length : end + 2
    return [...text].map((character) => this.#literal(character))
  }

  #repeated(atom: Node): Node {
    let node = atom
    for (;;) {
      const bounds = this.#bounds()
      if (bounds === undefined) return node
      if (node.kind === 'repeat' && atom !== node) throw this.#error('repeats a repetition')
      this.#skip('?') // Fewest or most: the same set of names matches.
      node = { kind: 'repeat', part: node, min: bounds[0], max: bounds[1] }
    }
  }

  #bounds(): readonly [number, number] | undefined {
    if (this.#skip('*')) return [0, Infinity]
    if (this.#skip('+')) return [1, Infinity]
    if (this.#skip('?')) return [0, 1]
    const found = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#text.slice(this.#at, this.#at + 12))
    if (found === null) return undefined
    this.#at += found[0].length
    const min = Number(found[1])
    const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3])
    if (min > max || min > REPEAT_MAX || (max !== Infinity && max > REPEAT_MAX)) throw this.#error('has a wrong {}')
    return [min, max]
  }

  #atom(): Node {
    const character = this.#take()
    switch (character) {
      case '(':
        return this.#group()
      case '[':
        return { kind: 'class', set: this.#class() }
      case '.':
        return { kind: 'class', set: negate(singleClass('\n')) }
      case '^':
        return { kind: 'assert', what: 'start' }
      case '$':
        return { kind: 'assert', what: 'end' }
      case '*':
      case '+':
      case '?':
        throw this.#error(`has ${character} with nothing to repeat`)
      case '\\':
        return this.#escaped()
      default:
        return this.#literal(character)
    }
  }

  #group(): Node {
    const outer = this.#ignoresCase
    if (this.#skip('?')) {
      const named = /^P?<\w+>/.exec(this.#text.slice(this.#at))
      if (named !== null) {
        this.#at += named[0].length
      } else {
        const flags = /^([imsU]*)(-[imsU]+)?([:)])/.exec(this.#text.slice(this.#at))
        if (flags === null) throw this.#error('has an unknown group (?')
        this.#at += flags[0].length
        if (flags[1]!.includes('i')) this.#ignoresCase = true
        if (flags[2]?.includes('i') === true) this.#ignoresCase = false
        if (flags[3] === ')') return { kind: 'empty' } // Holds to the end of the group around it.
      }
    }
    const node = this.#choice()
    if (!this.#skip(')')) throw this.#error('lacks a )')
    this.#ignoresCase = outer
    return node
  }

  #escaped(): Node {
    const character = this.#text[this.#at]
    const what = { b: 'word', B: 'noWord', A: 'start', z: 'end' }[character ?? ''] as Assertion | undefined
    if (what !== undefined) {
      this.#at += 1
      return { kind: 'assert', what }
    }
    return { kind: 'class', set: this.#cased(this.#escapedClass()) }
  }

  #escapedClass(): Uint8Array {
    const character = this.#take()
    const known = classOf(character)
    if (known !== undefined) return known
    if (character === 'x') {
      const code = /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(this.#text.slice(this.#at))
      if (code === null) throw this.#error('has a wrong \\x')
      this.#at += code[0].length
      return singleClass(String.fromCodePoint(Math.min(parseInt(code[1] ?? code[2]!, 16), 0xffff)))
    }
    if (/[A-Za-z0-9]/.test(character)) throw this.#error(`has an unknown escape \\${character}`)
    return singleClass(character)
  }

  #class(): Uint8Array {
    const isNegated = this.#skip('^')
    const set = new Uint8Array(ASCII)
    let isFirst = true
    while (isFirst || !this.#skip(']')) {
      isFirst = false
      this.#addToClass(set)
    }
    const cased = this.#cased(set)
    return isNegated ? negate(cased) : cased
  }

  #addToClass(set: Uint8Array): void {
    const posix = /^\[:(\^?)(\w+):\]/.exec(this.#text.slice(this.#at, this.#at + 16))
    if (posix !== null) {
      const known = POSIX_CLASSES[posix[2]!]
      if (known === undefined) throw this.#error('has an unknown [: :]')
      this.#at += posix[0].length
      add(set, posix[1] === '^' ? negate(known) : known)
      return
    }
    const low = this.#classCharacter()
    const hasRange = this.#text[this.#at] === '-' && this.#text[this.#at + 1] !== ']' && typeof low === 'number'
    if (!hasRange) {
      add(set, typeof low === 'number' ? singleClass(String.fromCharCode(low)) : low)
      return
    }
    this.#at += 1
    const high = this.#classCharacter()
    if (typeof high !== 'number' || high < low) throw this.#error('has a wrong range')
    for (let code = low; code <= high && code < ASCII; code++) set[code] = 1
  }

  /** A character's code, or a class of its own. */
  #classCharacter(): number | Uint8Array {
    const character = this.#take()
    if (character !== '\\') return character.charCodeAt(0)
    const set = this.#escapedClass()
    const first = set.indexOf(1)
    return first >= 0 && set.indexOf(1, first + 1) < 0 ? first : set
  }

  #literal(character: string): Node {
    return { kind: 'class', set: this.#cased(singleClass(character)) }
  }

  #cased(set: Uint8Array): Uint8Array {
    return this.#ignoresCase ? withBothCases(set) : set
  }

  #skip(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #take(): string {
    const character = this.#text[this.#at]
    if (character === undefined) throw this.#error('ends too early')
    this.#at += 1
    return character
  }

  #error(what: string): RegexSyntaxError {
    return new RegexSyntaxError(`${what}, at character ${this.#at}`)
  }
}

function add(set: Uint8Array, other: Uint8Array): void {
  for (let code = 0; code < ASCII; code++) if (other[code] === 1) set[code] = 1
}
