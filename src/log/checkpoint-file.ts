/**
 * Kafka's checkpoint files: small text files that are replaced as a whole.
 *
 *  line 1   0, the version
 *  line 2   how many lines follow
 *  line 3.. one entry each
 *
 * Every line ends in a newline, and a file cut short anywhere is told by that or by the count. There is no checksum: a
 * wrong digit is not noticed, so what is read here is checked against the log before it is trusted. An empty file is a
 * checkpoint without entries: Kafka creates files so before it first writes them.
 */
import { VltavaError } from '../base/errors.ts'
import { readSmallFile, replaceFile, storageCall } from '../base/file-io.ts'
import type { Fs } from '../base/env/env.ts'

const VERSION = '0'
const HEADER_LINES = 2

/**
 * The entries' lines, or undefined if there is no such file; line i of the result is line i + 3 of the file. Throws
 * DIRECTORY_CORRUPT, DIRECTORY_VERSION, or StorageError.
 */
export function readCheckpointLines(fs: Fs, directory: string, name: string): string[] | undefined {
  const path = `${directory}/${name}`
  const bytes = storageCall(`reading ${path}`, () => readSmallFile(fs, path))
  if (bytes === undefined) return undefined
  if (bytes.length === 0) return []
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1').split('\n')
  const rest = lines.pop()
  if (rest !== '') throw malformedLine(path, lines.length + 1, rest ?? '', 'a newline at its end')

  const version = lines[0] ?? ''
  if (!/^[0-9]+$/.test(version)) throw malformedLine(path, 1, version, `the version, ${VERSION}`)
  if (version !== VERSION) {
    const found = version.slice(0, 20)
    throw new VltavaError('DIRECTORY_VERSION', `${path} has version=${found}, this release reads version=${VERSION}`)
  }
  const count = lines[1] ?? ''
  const found = lines.length - HEADER_LINES
  if (count !== String(found)) throw malformedLine(path, HEADER_LINES, count, `the number of lines below it, ${found}`)
  return lines.slice(HEADER_LINES)
}

/** Atomic and durable. Throws StorageError. */
export function writeCheckpointLines(fs: Fs, directory: string, name: string, lines: readonly string[]): void {
  const text = [VERSION, String(lines.length), ...lines, ''].join('\n')
  replaceFile(fs, directory, name, Buffer.from(text, 'latin1'))
}

/** The error for the entry that was element `index` of readCheckpointLines. */
export function malformedEntry(
  directory: string,
  name: string,
  index: number,
  line: string,
  expected: string,
): VltavaError {
  return malformedLine(`${directory}/${name}`, index + HEADER_LINES + 1, line, expected)
}

/** An int32 or int64 without sign, leading zeros or loss, or undefined. */
export function parseCount(digits: string, max = Number.MAX_SAFE_INTEGER): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(digits)) return undefined
  const value = Number(digits)
  return value <= max ? value : undefined
}

function malformedLine(path: string, lineNumber: number, line: string, expected: string): VltavaError {
  const shown = line.length <= 100 ? JSON.stringify(line) : `${JSON.stringify(line.slice(0, 100))}...`
  return new VltavaError('DIRECTORY_CORRUPT', `${path} line ${lineNumber}: expected ${expected}, found ${shown}`)
}
