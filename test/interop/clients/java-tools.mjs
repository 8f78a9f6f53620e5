/**
 * Kafka's own command line tools, by their main classes: scenario | fill, see README.md. A member is
 * VerifiableConsumer.
 *
 * What a tool prints is the outcome, line by line, after addresses, ids, times and paths are taken out.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { javaCommand } from '../kafka/java.mjs'
import { main, makeSteps, say } from './scenario.mjs'

const TOOLS = 'org.apache.kafka.tools'
/** What clients need; all other APIs are a broker's own choice. */
const APIS = (
  'Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup Heartbeat LeaveGroup ' +
  'SyncGroup DescribeGroups ListGroups ApiVersions CreateTopics DeleteTopics DeleteRecords InitProducerId ' +
  'OffsetForLeaderEpoch DescribeConfigs DescribeLogDirs CreatePartitions DeleteGroups IncrementalAlterConfigs ' +
  'OffsetDelete ConsumerGroupHeartbeat ConsumerGroupDescribe DescribeCluster DescribeProducers DescribeTopicPartitions'
).split(' ')
const PERF_RECORDS = 20_000
const TIMEOUT_MS = 60_000

/** A member of a group, and what a line of its output says, as the other clients say it. */
export const verifiableMember = {
  start(bootstrap, group, topic, protocol) {
    const [command, ...args] = javaCommand(`${TOOLS}.VerifiableConsumer`)
    args.push('--bootstrap-server', bootstrap, '--topic', topic, '--group-id', group, '--reset-policy', 'earliest')
    args.push('--group-protocol', protocol)
    if (protocol === 'classic') args.push('--session-timeout', '6000')
    return { command, args, env: process.env, state: new Set() }
  },
  translate(line, assigned) {
    if (!line.startsWith('{')) return undefined
    const { name, partitions = [] } = JSON.parse(line)
    const numbers = partitions.map(({ partition }) => partition)
    if (name === 'partitions_assigned') for (const number of numbers) assigned.add(number)
    else if (name === 'partitions_revoked') for (const number of numbers) assigned.delete(number)
    else if (name === 'records_consumed') return { seen: partitions.flatMap(offsetsOf) }
    else return undefined
    return { assigned: [...assigned] }
  },
}

function offsetsOf({ partition, minOffset, maxOffset }) {
  return Array.from({ length: maxOffset - minOffset + 1 }, (_, i) => [partition, minOffset + i])
}

/** What two brokers need not have alike. Each pattern with what stands for it, and why. */
const TEXT_NORMALISATIONS = [
  [/127\.0\.0\.1:\d+/g, 'HOST:PORT', 'every broker listens on a port of its own'],
  [/TopicId: [\w-]{22}/g, 'TopicId: ID', 'topic ids are random'],
  [/(\/[\w.-]+){3,}/g, 'PATH', 'data directories'],
  [/\(id: \d+ rack/g, '(id: N rack', 'node ids'],
  [/HOST:PORT +\(\d+\)/g, 'HOST:PORT (N)', 'node ids'],
  [/\b(Leader|Replicas|Isr): \d+/g, '$1: N', 'node ids'],
  [/consumer-[\w.-]*-[0-9a-f-]{36}/g, 'MEMBER', 'member ids are random'],
  [/\b(\w+Exception): .*/g, '$1', "an error's text is the broker's own"],
  [/[ \t]+/g, ' ', 'columns are as wide as their widest value'],
]

function textOf(output) {
  const text = TEXT_NORMALISATIONS.reduce((all, [pattern, by]) => all.replaceAll(pattern, by), output)
  return text.split('\n').map((line) => line.trim()).filter((line) => line !== '') // prettier-ignore
}

/** A tool that waits for what does not come is killed, with an exit status of -1. */
async function runJava(className, args, stdin = '') {
  const [command, ...before] = javaCommand(className)
  const child = spawn(command, [...before, ...args])
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
  const [stdout, stderr] = [[], []]
  child.stdout.on('data', (chunk) => stdout.push(chunk))
  child.stderr.on('data', (chunk) => stderr.push(chunk))
  child.stdin.on('error', () => child.kill()) // It ended before it had read everything.
  child.stdin.end(stdin)
  const [code] = await once(child, 'close')
  clearTimeout(timer)
  return {
    stdout: Buffer.concat(stdout).toString('utf8'),
    stderr: Buffer.concat(stderr).toString('utf8'),
    exitCode: code ?? -1,
  }
}

/** The exception's name; its text is the broker's own. */
function failureOf({ stdout, stderr, exitCode }) {
  const text = `${stdout}\n${stderr}`.replace(/ExecutionException: /g, '')
  const [name] = /\b\w+(Exception|Error)\b(?=[:\s])/.exec(text) ?? ['?']
  return `exit status ${exitCode}: ${name}`
}

async function scenario(bootstrap, prefix) {
  const { step } = makeSteps((error) => error.message)
  const [main, group] = [`${prefix}-main`, `${prefix}-g`]
  const work = mkdtempSync(join(tmpdir(), 'vltava-java-tools-'))
  const run = async (name, args, stdin = '') => {
    const result = await runJava(`${TOOLS}.${name}`, ['--bootstrap-server', bootstrap, ...args], stdin)
    if (result.exitCode !== 0) console.error(`${name} ${args.join(' ')}: ${result.stdout}${result.stderr}`)
    return result
  }
  const show = async (name, ...args) => {
    const result = await run(name, args)
    return result.exitCode === 0 ? textOf(result.stdout) : failureOf(result)
  }
  const topics = (...args) => show('TopicCommand', ...args)
  const groups = (...args) => show('consumer.group.ConsumerGroupCommand', ...args)
  /** This one is in the core's package still. */
  const configs = async (...args) => {
    const result = await runJava('kafka.admin.ConfigCommand', ['--bootstrap-server', bootstrap, ...args])
    return result.exitCode === 0 ? textOf(result.stdout) : failureOf(result)
  }
  const ofMain = ['--entity-type', 'topics', '--entity-name', main]

  try {
    await step('create', () => topics('--create', '--topic', main, '--partitions', '4', '--config', 'retention.ms=-1'))
    await step('create-again', () => topics('--create', '--topic', main, '--partitions', '4'))
    await step('describe', () => topics('--describe', '--topic', main))
    await step('configs', async () => (await configs('--describe', '--all', ...ofMain)).sort())
    await step('configs-alter', async () => ({
      set: await configs(
        '--alter',
        '--add-config',
        'retention.bytes=123456,cleanup.policy=[compact,delete]',
        ...ofMain,
      ),
      after: await configs('--describe', ...ofMain),
      unset: await configs('--alter', '--delete-config', 'retention.bytes,cleanup.policy', ...ofMain),
      unknown: await configs('--alter', '--add-config', 'no.such.config=1', ...ofMain),
      invalid: await configs('--alter', '--add-config', 'retention.ms=soon', ...ofMain),
    }))
    await step('quotas', async () => {
      const client = ['--entity-type', 'clients', '--entity-name', `${prefix}-client`]
      return {
        set: await configs('--alter', '--add-config', 'producer_byte_rate=1048576', ...client),
        after: await configs('--describe', ...client),
      }
    })
    await step('verifiable-producer', async () => {
      // Keys, or its partitioner deals by chance.
      const args = ['--topic', main, '--max-messages', '1000', '--acks', '-1', '--repeating-keys', '20']
      const { stdout, exitCode } = await run('VerifiableProducer', args)
      const acked = stdout
        .split('\n')
        .flatMap((line) => (line.includes('producer_send_success') ? [JSON.parse(line)] : []))
      return { exitCode, acked: acked.length, values: new Set(acked.map(({ value }) => value)).size }
    })
    await step('verifiable-consumer', async () => {
      const args = ['--topic', main, '--group-id', group, '--max-messages', '1000', '--reset-policy', 'earliest']
      const { stdout, exitCode } = await run('VerifiableConsumer', args)
      const lines = stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
      const consumed = lines.filter(({ name }) => name === 'records_consumed')
      const commits = lines.filter(({ name }) => name === 'offsets_committed')
      return {
        exitCode,
        records: consumed.reduce((sum, { count }) => sum + count, 0),
        committed: commits.every(({ success }) => success),
      }
    })
    await step('console', async () => {
      const options = ['--property', 'parse.key=true', '--property', 'parse.headers=true']
      await run('ConsoleProducer', ['--topic', `${main}`, ...options], 'h:1,i:2\tkey\tvalue\n\tk2\tv2\n')
      const wanted = ['print.key', 'print.headers', 'print.offset', 'print.partition'].flatMap((each) => [
        '--property',
        `${each}=true`,
      ])
      const args = ['--topic', main, '--from-beginning', '--max-messages', '1002', '--timeout-ms', '20000', ...wanted]
      const { stdout, exitCode } = await run('consumer.ConsoleConsumer', args)
      const lines = stdout.split('\n').filter((line) => /\tkey\t|\tk2\t/.test(line))
      return { exitCode, records: stdout.trim().split('\n').length, keyed: lines.sort() }
    })
    await step('offsets', () => show('GetOffsetShell', '--topic', main))
    await step('offsets-max-timestamp', async () => {
      const lines = await show('GetOffsetShell', '--topic', main, '--time', 'max-timestamp')
      return typeof lines === 'string' ? lines : lines.length
    })
    await step('groups-list', async () => {
      const mine = (lines) => (typeof lines === 'string' ? lines : lines.filter((line) => line.startsWith(prefix)))
      return {
        state: mine(await groups('--list', '--state')),
        type: mine(await groups('--list', '--type')),
        classic: mine(await groups('--list', '--type', 'classic')),
      }
    })
    await step('group-describe', async () => ({
      offsets: (await groups('--describe', '--group', group, '--offsets')).sort(),
      state: await groups('--describe', '--group', group, '--state'),
      members: await groups('--describe', '--group', group, '--members', '--verbose'),
      missing: await groups('--describe', '--group', `${prefix}-missing`),
    }))
    await step('group-reset', async () => {
      const reset = async (...to) => {
        const lines = await groups('--reset-offsets', '--group', group, '--topic', main, ...to, '--execute')
        return typeof lines === 'string' ? lines : lines.sort()
      }
      return {
        earliest: await reset('--to-earliest'),
        shift: await reset('--shift-by', '7'),
        time: await reset('--to-datetime', '2020-01-01T00:00:00.000'),
        deleted: await groups('--delete-offsets', '--group', group, '--topic', `${main}:1`),
        after: (await groups('--describe', '--group', group, '--offsets')).sort(),
      }
    })
    await step('delete-records', async () => {
      const file = join(work, 'delete.json')
      writeFileSync(file, JSON.stringify({ version: 1, partitions: [{ topic: main, partition: 0, offset: 2 }] }))
      return {
        deleted: await show('DeleteRecordsCommand', '--offset-json-file', file),
        earliest: await show('GetOffsetShell', '--topic', main, '--time', 'earliest'),
      }
    })
    await step('add-partitions', async () => ({
      more: await topics('--alter', '--topic', main, '--partitions', '6'),
      fewer: await topics('--alter', '--topic', main, '--partitions', '2'),
      after: (await topics('--describe', '--topic', main)).length,
    }))
    await step('log-dirs', async () => {
      const { stdout, exitCode } = await run('LogDirsCommand', ['--describe', '--topic-list', main])
      const { brokers } = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{')) ?? '{"brokers":[]}')
      const found = brokers.flatMap(({ logDirs }) =>
        logDirs.flatMap(({ error, partitions }) => [error, ...partitions.map(({ partition }) => partition).sort()]),
      )
      return { exitCode, found }
    })
    await step('api-versions', async () => {
      // How many APIs there are is each broker's own; that the client finds a version of each it needs is not.
      const { stdout, exitCode } = await run('BrokerApiVersionsCommand', [])
      const isNeeded = (line) => APIS.includes(/^\s(\w+)\(/.exec(line)?.[1] ?? '')
      return { exitCode, usable: textOf(stdout.split('\n').filter(isNeeded).join('\n')) } // prettier-ignore
    })
    await step('performance', async () => {
      const topic = `${prefix}-perf`
      await topics('--create', '--topic', topic, '--partitions', '3')
      const sizes = ['--num-records', String(PERF_RECORDS), '--record-size', '100', '--throughput', '-1']
      const produced = await run('ProducerPerformance', ['--topic', topic, ...sizes])
      const consumed = await run('ConsumerPerformance', [
        '--topic',
        topic,
        '--num-records',
        String(PERF_RECORDS),
        '--timeout',
        '20000',
      ])
      return {
        produced:
          /(\d+) records sent/.exec(
            produced.stdout.split('\n').findLast((line) => line.includes('records sent')) ?? '',
          )?.[1] ?? failureOf(produced),
        consumed: consumed.stdout.trim().split('\n').at(-1)?.split(',')[4]?.trim() ?? failureOf(consumed),
      }
    })
    await step('group-delete', async () => ({
      deleted: await groups('--delete', '--group', group),
      again: await groups('--delete', '--group', group),
    }))
    await step('topic-delete', async () => ({
      deleted: await topics('--delete', '--topic', main),
      again: await topics('--delete', '--topic', main),
    }))
    await step('error-illegal-name', () => topics('--create', '--topic', 'a b', '--partitions', '1'))
    await step('error-invalid-config', () =>
      topics('--create', '--topic', `${prefix}-bad`, '--config', 'retention.ms=soon'),
    )
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Writes to all partitions in turn; makes the topic if it is not there. No tool writes to a partition of choice. */
async function fill(bootstrap, topic, count, partitions) {
  const args = ['fill', bootstrap, topic, String(count), String(partitions)]
  const { stderr, exitCode } = await runJava('ClientScenario', args)
  if (exitCode !== 0) throw new Error(stderr)
  say({ filled: count })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main({ scenario, member: verifiableMember.start, fill })
