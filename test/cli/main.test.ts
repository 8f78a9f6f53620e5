/** The door of the command line: help, version, errors and exit statuses. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory, vltava } from './run.ts'

const directory = temporaryDirectory()

describe('help', () => {
  it('--version tells the version of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(vltava(['--version'])).toMatchObject({ status: 0, text: `${version}\n`, stderr: '' })
  })

  it('--help lists every command, on stdout; without a command it comes on stderr, with status 2', () => {
    const { status, text } = vltava(['--help'])
    expect(status).toBe(0)
    for (const name of ['topic', 'produce', 'consume', 'bench', 'verify', 'dump-segment', 'demo']) {
      expect(text).toMatch(new RegExp(`^ +${name} `, 'm'))
    }
    expect(vltava([])).toMatchObject({ status: 2, text: '', stderr: text })
  })

  const commands = [
    ['topic'],
    ['topic', 'create'],
    ['topic', 'trim'],
    ['produce'],
    ['consume'],
    ['verify'],
    ['dump-segment'],
  ]
  it.each(commands)('%s %s --help shows how it is used and touches nothing', (...command) => {
    const { status, text, stderr } = vltava([...command, '--help'])
    expect([status, stderr]).toEqual([0, ''])
    expect(text.startsWith(`vltava ${command.join(' ')} `)).toBe(true)
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120)
  })
})

describe('wrong usage has status 2 and a message that helps', () => {
  const wrong: [args: string[], message: string][] = [
    [['topci'], "'topci' is no command, did you mean 'topic'?"],
    [['topic'], 'vltava topic needs a verb'],
    [['topic', 'creat', 'a'], "'creat' is no verb of topic, did you mean 'create'?"],
    [['--data', 'x'], "'--data' comes before any command"],
    [['serve'], '--data DIR is missing'],
    [['topic', 'list'], '--data DIR is missing (or --brokers HOST:PORT, for a log that is served)'],
    [['topic', 'list', '--brokers', 'localhost'], "--brokers: 'localhost' is not HOST:PORT, such as localhost:9092"],
    [['topic', 'list', '--brokers', 'a:1', '--data', 'x'], '--data and --brokers exclude each other'],
    [
      ['consume', 'a', '--group', 'g', '--partition', '1', '--data', 'x'],
      '--group and --partition exclude each other: the group says who reads which partition',
    ],
    [
      ['consume', 'a', '--group', 'g', '--from', '12', '--data', 'x'],
      "with --group, --from is start or end; 'vltava group seek' moves a group to another place",
    ],
    [['group', 'seek', 'g', '--data', 'x'], '--to is missing: start, end, an offset or a time'],
    [['produce', 'a', '--acks', '2', '--data', 'x'], "--acks is 0, 1 or all, not '2'"],
    [
      ['consume', 'a', '--from', 'yesterday', '--data', 'x'],
      "--from is start, end, an offset, an ISO date (2026-01-31T12:00:00Z) or @ms, not 'yesterday'",
    ],
    [
      ['topic', 'create', 'a', '--partitions', '0', '--data', 'x'],
      "--partitions is a whole number, 1 to 10000, not '0'",
    ],
    [
      ['topic', 'alter', 'a', '-c', 'retention.ms', '--data', 'x'],
      "-c takes KEY=VALUE, not 'retention.ms'; --reset KEY sets one back (topic alter)",
    ],
  ]
  it.each(wrong)('vltava %j: %s', (args, message) => {
    const { status, text, stderr } = vltava(args)
    expect(status).toBe(2)
    expect(text).toBe('')
    const [first, second] = stderr.split('\n')
    expect(first).toBe(`vltava: ${message} [USAGE]`)
    expect(second).toMatch(/^See: vltava .*--help$/)
  })
})

describe('a failure has status 1 and one line on stderr', () => {
  it('a directory that is not there is not made by reading from it', () => {
    const missing = join(directory, 'missing')
    for (const command of [
      ['topic', 'list'],
      ['consume', 'a'],
      ['produce', 'a'],
    ]) {
      const { status, stderr } = vltava([...command, '--data', missing])
      expect(status).toBe(1)
      expect(stderr).toContain(`vltava: ${missing} does not exist; make it with: vltava topic create`)
      expect(stderr.trimEnd()).toMatch(/\[DIRECTORY_UNUSABLE\]$/)
    }
    expect(vltava(['verify', missing])).toMatchObject({ status: 1 })
  })

  it('a file where the directory should be', () => {
    const file = join(directory, 'file')
    writeFileSync(file, 'x')
    const { status, stderr } = vltava(['topic', 'create', 'a', '--data', file])
    expect(status).toBe(1)
    expect(stderr).toBe(`vltava: ${file} is a file where the data directory should be [DIRECTORY_UNUSABLE]\n`)
    expect(vltava(['verify', file])).toMatchObject({ status: 1 })
  })

  it('with --json it is an object on stderr, and stdout stays for results', () => {
    const missing = join(directory, 'missing')
    const { status, text, stderr } = vltava(['topic', 'list', '--json', '--data', missing])
    expect([status, text]).toEqual([1, ''])
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'DIRECTORY_UNUSABLE', message: expect.stringContaining('does not exist') as string },
    })
  })

  it('VLTAVA_DEBUG=1 adds the stack', () => {
    const args = ['topic', 'list', '--data', join(directory, 'missing')]
    expect(vltava(args).stderr.split('\n')).toHaveLength(2)
    expect(vltava(args, '', { VLTAVA_DEBUG: '1' }).stderr).toMatch(/\n {4}at /)
  })

  it('a directory without a log is none to verify', () => {
    const empty = join(directory, 'empty')
    mkdirSync(empty)
    const { status, stderr } = vltava(['verify', empty])
    expect(status).toBe(1)
    expect(stderr).toContain('is no data directory')
  })
})
