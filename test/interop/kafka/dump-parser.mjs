/**
 * Reads what Kafka's DumpLogSegments printed. Strict: a line it does not know is a complaint, so that a new wording
 * in a later release cannot pass for silence.
 *
 * What the tool does not say by its exit code (it ends with 0 over damaged data): a batch whose CRC is wrong is
 * `isvalid: false`; a cut-off tail is `Found N invalid bytes at the end`; wrong index entries are lists on standard
 * error. It ends with 1, and an exception, over bytes it cannot walk, such as zeros after the last batch.
 */

/**
 * @typedef {object} DumpRecord
 * @property {number} offset
 * @property {number} timestamp milliseconds
 * @property {'CreateTime' | 'LogAppendTime'} timestampType
 * @property {string | null} key base64; null also when the tool was told not to print data
 * @property {string | null} value base64
 * @property {number} keySize bytes, -1 for null
 * @property {number} valueSize bytes, -1 for null
 * @property {number} sequence
 * @property {string} headerKeys as printed, joined with ','
 * @property {string} control what a control record holds, else ''
 */

/**
 * @typedef {object} DumpBatch
 * @property {string} file
 * @property {number} baseOffset
 * @property {number} lastOffset
 * @property {number} count
 * @property {number} baseSequence
 * @property {number} lastSequence
 * @property {number} producerId
 * @property {number} producerEpoch
 * @property {number} partitionLeaderEpoch
 * @property {boolean} isTransactional
 * @property {boolean} isControl
 * @property {number | null} deleteHorizonMs
 * @property {number} position bytes
 * @property {'CreateTime' | 'LogAppendTime'} timestampType
 * @property {number} maxTimestamp
 * @property {number} size bytes
 * @property {number} magic
 * @property {string} codec none, gzip, snappy, lz4 or zstd
 * @property {number} crc
 * @property {boolean} isValid
 * @property {DumpRecord[]} records empty when the dump was shallow
 */

/**
 * @typedef {object} DumpFile
 * @property {string} path as given to the tool
 * @property {{ offset: number, position: number }[]} offsetEntries of an .index
 * @property {{ timestamp: number, offset: number }[]} timeEntries of a .timeindex
 * @property {Record<string, number | null>[]} abortedTxns of a .txnindex
 * @property {Record<string, number | null>[]} producers of a .snapshot
 * @property {'passed' | 'empty' | ''} sanity
 */

/** @typedef {{ kind: string, text: string }} Complaint */

const BATCH = new RegExp(
  '^baseOffset: (\\d+) lastOffset: (\\d+) count: (\\d+) baseSequence: (-?\\d+) lastSequence: (-?\\d+)' +
    ' producerId: (-?\\d+) producerEpoch: (-?\\d+) partitionLeaderEpoch: (-?\\d+) isTransactional: (true|false)' +
    ' isControl: (true|false) deleteHorizonMs: OptionalLong(?:\\[(\\d+)\\]|\\.empty) position: (\\d+)' +
    ' (CreateTime|LogAppendTime): (-?\\d+) size: (\\d+) magic: (\\d+) compresscodec: (\\w+) crc: (\\d+)' +
    ' isvalid: (true|false)$',
)
// Base64 holds no space, so an absent key or payload (null) and an empty one are told apart. Header keys may hold
// anything: the last ']' before the known tail ends them.
const RECORD = new RegExp(
  '^\\| offset: (\\d+) (CreateTime|LogAppendTime): (-?\\d+) keySize: (-?\\d+) valueSize: (-?\\d+)' +
    ' sequence: (-?\\d+) headerKeys: \\[(.*)\\]' +
    '(?: key: (?<key>[A-Za-z0-9+/=]*))?(?: payload: (?<payload>[A-Za-z0-9+/=]*))?(?<control> (?:endTxnMarker|controlType).*)?$',
  's',
)
const COMPLAINTS = /** @type {const} */ ([
  ['offset index mismatch', /^Mismatches in :/],
  ['offset index mismatch', /^ {2}Index offset: \d+, log offset: -?\d+$/],
  ['timestamp mismatch', /^Found timestamp mismatch in :/],
  ['timestamp mismatch', /^ {2}Index timestamp: -?\d+, log timestamp: -?\d+$/],
  ['timestamps out of order', /^Found out of order timestamp in :/],
  ['timestamps out of order', /^ {2}Index timestamp: -?\d+, Previously indexed timestamp: -?\d+$/],
  ['indexed offset not found', /^The following indexed offsets are not found in/],
  ['indexed offset not found', /^Indexed offset: \d+, found log offset: -?\d+$/],
  ['invalid bytes at the end', /^Found \d+ invalid bytes at the end of /],
  ['snapshot corrupt', /^Snapshot is corrupt|^Snapshot .* corrupt/],
  ['unknown file', /^Ignoring unknown file /],
  ['exception', /^Exception in thread|Exception: |Exception$|^\s+at /],
])

/**
 * @param {string} output standard output, then standard error
 * @returns {{ files: DumpFile[], batches: DumpBatch[], records: DumpRecord[], complaints: Complaint[] }}
 *   `records` are those of `batches`, in the order printed, control records included
 */
export function parseDump(output) {
  /** @type {DumpFile[]} */
  const files = []
  /** @type {DumpBatch[]} */
  const batches = []
  /** @type {Complaint[]} */
  const complaints = []
  for (const line of logicalLines(output)) {
    if (line === '' || line.startsWith('Log starting offset: ')) continue
    if (line.startsWith('Dumping ')) {
      const path = line.slice('Dumping '.length)
      files.push({ path, offsetEntries: [], timeEntries: [], abortedTxns: [], producers: [], sanity: '' })
      continue
    }
    const file = files.at(-1)
    const complaint = COMPLAINTS.find(([, pattern]) => pattern.test(line))
    if (complaint !== undefined) complaints.push({ kind: complaint[0], text: line })
    else if (takeBatch(line, file, batches, complaints) || takeRecord(line, batches)) continue
    else if (takeFileLine(line, file) || isGapLine(line, complaints)) continue
    else complaints.push({ kind: 'not understood', text: line })
  }
  return { files, batches, records: batches.flatMap((batch) => batch.records), complaints }
}

/** A header key may hold line breaks: a record's line goes on until it parses or another known line begins. */
function logicalLines(/** @type {string} */ output) {
  /** @type {string[]} */
  const lines = []
  for (const line of output.split('\n')) {
    const last = lines.at(-1)
    if (last !== undefined && last.startsWith('| offset: ') && !RECORD.test(last))
      lines[lines.length - 1] += `\n${line}`
    else lines.push(line)
  }
  return lines
}

/**
 * @param {string} line
 * @param {DumpFile | undefined} file
 * @param {DumpBatch[]} batches
 * @param {Complaint[]} complaints
 */
function takeBatch(line, file, batches, complaints) {
  const match = BATCH.exec(line)
  if (match === null) return false
  const n = (/** @type {number} */ group) => Number(match[group])
  batches.push({
    file: file?.path ?? '',
    baseOffset: n(1),
    lastOffset: n(2),
    count: n(3),
    baseSequence: n(4),
    lastSequence: n(5),
    producerId: n(6),
    producerEpoch: n(7),
    partitionLeaderEpoch: n(8),
    isTransactional: match[9] === 'true',
    isControl: match[10] === 'true',
    deleteHorizonMs: match[11] === undefined ? null : n(11),
    position: n(12),
    timestampType: match[13] === 'CreateTime' ? 'CreateTime' : 'LogAppendTime',
    maxTimestamp: n(14),
    size: n(15),
    magic: n(16),
    codec: match[17] ?? '',
    crc: n(18),
    isValid: match[19] === 'true',
    records: [],
  })
  if (match[19] !== 'true') complaints.push({ kind: 'invalid batch', text: `${file?.path} ${line}` })
  return true
}

/**
 * @param {string} line
 * @param {DumpBatch[]} batches
 */
function takeRecord(line, batches) {
  const match = RECORD.exec(line)
  const batch = batches.at(-1)
  if (match === null || batch === undefined) return false
  batch.records.push({
    offset: Number(match[1]),
    timestampType: match[2] === 'CreateTime' ? 'CreateTime' : 'LogAppendTime',
    timestamp: Number(match[3]),
    keySize: Number(match[4]),
    valueSize: Number(match[5]),
    sequence: Number(match[6]),
    headerKeys: match[7] ?? '',
    key: match.groups?.key ?? null,
    value: match.groups?.payload ?? null,
    control: match.groups?.control?.trim() ?? '',
  })
  return true
}

/**
 * A line about an index, a transaction index or a producer snapshot.
 * @param {string} line
 * @param {DumpFile | undefined} file
 */
function takeFileLine(line, file) {
  if (file === undefined) return false
  const offset = /^offset: (\d+) position: (\d+)$/.exec(line)
  const time = /^timestamp: (-?\d+) offset: (\d+)$/.exec(line)
  if (offset !== null) file.offsetEntries.push({ offset: Number(offset[1]), position: Number(offset[2]) })
  else if (time !== null) file.timeEntries.push({ timestamp: Number(time[1]), offset: Number(time[2]) })
  else if (/^version: 0 producerId: /.test(line)) file.abortedTxns.push(fields(line))
  else if (/^producerId: \d+ producerEpoch: /.test(line)) file.producers.push(fields(line))
  else if (line === `${file.path} is empty.`) file.sanity = 'empty'
  else if (line === `${file.path} passed sanity check.`) file.sanity = 'passed'
  else return false
  return true
}

/**
 * `Non-consecutive offsets in FILE`, then `  A is followed by B`. The tool starts each file at -1, so that the first
 * record of any segment but the first is listed as following -1: that is no gap.
 * @param {string} line
 * @param {Complaint[]} complaints
 */
function isGapLine(line, complaints) {
  if (line.startsWith('Non-consecutive offsets in ')) return true
  const gap = /^ {2}(-?\d+) is followed by (\d+)$/.exec(line)
  if (gap === null) return false
  if (gap[1] !== '-1') complaints.push({ kind: 'non-consecutive offsets', text: line.trim() })
  return true
}

/** `name: 1 other: OptionalLong.empty` as an object. */
function fields(/** @type {string} */ line) {
  /** @type {Record<string, number | null>} */
  const object = {}
  for (const [, name, number] of line.matchAll(/(\w+): (?:OptionalLong\[)?(-?\d+|OptionalLong\.empty)\]?/g)) {
    object[name ?? ''] = number === 'OptionalLong.empty' ? null : Number(number)
  }
  return object
}
