/** vltava demo, what `npm start` runs; and the check it makes, which must notice. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AccessLog, identifyLine } from '../../src/cli/access-log.ts'
import { DemoCheck } from '../../src/cli/demo-check.ts'
import { ConsumerBatch } from '../../src/client/record-batch.ts'
import { serdes } from '../../src/client/serdes.ts'
import { BatchBuilder, NO_HEADERS } from '../../src/record/batch-builder.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { temporaryDirectory, vltava, vltavaOk } from './run.ts'

const data = join(temporaryDirectory(), 'data')

describe('vltava demo', () => {
  it('writes, reads back, checks, and can be repeated in the same directory', () => {
    const first = vltavaOk(['demo', '--records', '20001', '--data', data])
    expect(first.text).toContain('every byte compared, every line exactly once and in order: OK')
    expect(first.text).toContain('wrote      20,001 records')
    const { text } = vltavaOk(['demo', '--records', '3000', '--json', '--data', data])
    expect(JSON.parse(text)).toMatchObject({
      topic: 'access-log',
      records: 3000,
      verified: 3000,
      durability: 'committed',
      threads: 2,
    })
    expect(vltavaOk(['consume', 'access-log', '--data', data]).text.split('\n')).toHaveLength(3001)
  })

  it('leaves a topic of that name alone that it did not make', () => {
    const mine = join(data, '../mine')
    vltavaOk(['topic', 'create', 'access-log', '--data', mine])
    vltavaOk(['produce', 'access-log', '--data', mine], 'a line of somebody\n')
    const { status, stderr } = vltava(['demo', '--records', '10', '--data', mine])
    expect(status).toBe(1)
    expect(stderr).toContain("holds records that are not the demo's; give another directory")
    expect(vltavaOk(['consume', 'access-log', '--data', mine]).text).toBe('a line of somebody\n')
  })
})

describe('the check of the demo', () => {
  const COUNTS = [3, 2]
  const ALL: readonly (readonly [thread: number, number: number])[] = [
    [0, 0],
    [1, 0],
    [0, 1],
    [0, 2],
    [1, 1],
  ]
  const check = (lines: readonly Uint8Array[]): void => {
    const demoCheck = new DemoCheck(COUNTS)
    demoCheck.batch(batchOf(lines))
    demoCheck.end()
  }
  const linesOf = (wanted: typeof ALL): Buffer[] => {
    const log = new AccessLog()
    return wanted.map(([thread, number]) => Buffer.from(log.line(thread, number)))
  }

  it('passes every line once, in order', () => {
    expect(() => check(linesOf(ALL))).not.toThrow()
  })

  it('notices a missing line, a second one, a wrong order, a line that nobody wrote, and any changed byte', () => {
    expect(() => check(linesOf(ALL.slice(1)))).toThrow('1 of 5 records are missing')
    expect(() => check(linesOf([...ALL, [0, 2]]))).toThrow('offset=5: line 0-2 comes twice')
    expect(() => check(linesOf([ALL[2]!, ALL[0]!]))).toThrow('offset=1: line 0-0 comes after line 0-1')
    expect(() => check(linesOf([[1, 2]]))).toThrow('line 1-2 was never written')
    expect(() => check([Buffer.from('something else')])).toThrow('the record is no line of the demo')
    const length = linesOf(ALL)[0]!.length
    for (let position = 0; position < length; position++) {
      const lines = linesOf(ALL)
      lines[0]![position] = lines[0]![position]! ^ 1
      expect(() => check(lines), `byte ${position}`).toThrow('check failed at access-log-0 offset=')
    }
  })
})

function batchOf(values: readonly Uint8Array[]): ConsumerBatch {
  const bytes = new Uint8Array(16_384)
  const builder = new BatchBuilder()
  builder.open(bytes, new DataView(bytes.buffer), 0, bytes.length)
  for (const value of values) builder.append(0, null, value, NO_HEADERS)
  builder.close('none', undefined, 0, -1, -1, -1)
  const view = new RecordBatchView(bytes).at(0)
  return new ConsumerBatch('access-log', 0, view, 0, values.length, { key: serdes.bytes, value: serdes.bytes })
}

describe('the lines of the demo', () => {
  it('tell their thread and number, and differ from each other', () => {
    const lines = new AccessLog()
    const seen = new Set<string>()
    for (let number = 0; number < 5000; number++) {
      const line = lines.line(number % 2, number)
      expect(identifyLine(line, 0, line.length)).toEqual({ thread: number % 2, number })
      seen.add(line.toString())
    }
    expect(seen.size).toBe(5000)
    expect([...seen].every((line) => /^203\.0\.113\.\d+ - - \[01\/Jan\/2026:00:00:0\d \+0000\] "/.test(line))).toBe(
      true,
    )
  })

  it('are the same for everybody who computes them, in any order', () => {
    const texts = [0, 1, 4096, 999_999].map((number) => new AccessLog().line(1, number).toString())
    const lines = new AccessLog()
    const again = [999_999, 4096, 1, 0].map((number) => lines.line(1, number).toString())
    expect(again.reverse()).toEqual(texts)
  })

  it('are told from other bytes', () => {
    const line = Buffer.from(new AccessLog().line(0, 7))
    expect(identifyLine(line, 1, line.length - 1)).toEqual({ thread: 0, number: 7 })
    expect(identifyLine(line, 0, line.length - 1)).toBeUndefined()
    expect(identifyLine(Buffer.from('short'), 0, 5)).toBeUndefined()
    line[line.length - 3] = 65
    expect(identifyLine(line, 0, line.length)).toBeUndefined()
  })
})
