/**
 * kcat, on Debian's librdkafka: scenario | fill, see README.md; a member is kcat itself. It cannot create topics, so
 * those are created by the Java client.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runJava } from '../kafka/java.mjs'
import { CACHE } from './peers.mjs'
import {
  ACKS,
  CODECS,
  IDEMPOTENT_RECORDS,
  idempotentOutcome,
  main,
  makeSteps,
  PARTITIONS,
  PER_ACKS,
  say,
} from './scenario.mjs'

const TIMEOUT_MS = 60_000

/** @returns {{ command: string, env: NodeJS.ProcessEnv }} */
export function kcatCommand() {
  const libraries = readFileSync(join(CACHE, 'debian/libraries'), 'utf8')
  return { command: join(CACHE, 'debian/root/usr/bin/kcat'), env: { ...process.env, LD_LIBRARY_PATH: libraries } }
}

/** The command line of a member of a group, and what a line of its output says, as the other clients say it. */
export const kcatMember = {
  start(bootstrap, group, topic) {
    const { command, env } = kcatCommand()
    const settings = ['auto.offset.reset=earliest', 'session.timeout.ms=6000', 'heartbeat.interval.ms=500']
    settings.push('auto.commit.interval.ms=100', 'partition.assignment.strategy=range', 'fetch.wait.max.ms=200')
    const options = settings.flatMap((setting) => ['-X', setting])
    const format = '{"seen":[[%p,%o]]}\\n'
    return { command, args: ['-b', bootstrap, ...options, '-u', '-f', format, '-G', group, topic], env }
  },
  translate(line) {
    if (line.startsWith('{')) return JSON.parse(line)
    if (!/^% Group .* rebalanced/.test(line)) return undefined
    const isAssigned = / assigned: /.test(line)
    return { assigned: isAssigned ? [...line.matchAll(/\[(\d+)\]/g)].map(([, partition]) => Number(partition)) : [] }
  },
}

class KcatError extends Error {}

/** @returns {Promise<string>} what it printed; throws its last complaint, without times and addresses */
async function kcat(bootstrap, args, stdin = '') {
  const { command, env } = kcatCommand()
  const child = spawn(command, ['-b', bootstrap, ...args], { env })
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
  const [stdout, stderr] = [[], []]
  child.stdout.on('data', (chunk) => stdout.push(chunk))
  child.stderr.on('data', (chunk) => stderr.push(chunk))
  child.stdin.on('error', () => child.kill()) // It ended before it had read everything.
  child.stdin.end(stdin)
  const [status, signal] = await once(child, 'close')
  clearTimeout(timer)
  const complaints = Buffer.concat(stderr).toString('utf8')
  const last = complaints.split('\n').findLast((line) => /ERROR|error|failed/.test(line)) ?? ''
  if (signal !== null) throw new KcatError(`killed after ${TIMEOUT_MS / 1000} s: ${complaints.slice(-300)}`)
  if (status !== 0) throw new KcatError(last.replace(bootstrap, 'HOST:PORT'))
  return Buffer.concat(stdout).toString('utf8')
}

async function createTopics(bootstrap, ...topics) {
  const { stderr, exitCode } = await runJava('ClientScenario', ['create', bootstrap, ...topics])
  if (exitCode !== 0) throw new Error(`creating topics failed:\n${stderr}`)
}

async function scenario(bootstrap, prefix) {
  const { step, outcomeOf } = makeSteps((error) => (error instanceof KcatError ? error.message : String(error)))
  const missing = `${prefix}-missing`
  const produce = (topic, args, stdin) => kcat(bootstrap, ['-P', '-t', topic, ...args], stdin)
  const consume = async (topic, ...args) => {
    const lines = await kcat(bootstrap, ['-C', '-t', topic, '-e', '-q', '-Z', '-J', ...args])
    return lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  }
  const codecTopics = CODECS.map((codec) => `${prefix}-${codec}:${PARTITIONS}`)
  const others = [`${prefix}-idem:3`, `${prefix}-one:1`, `${prefix}-small:1:max.message.bytes=2000`]
  await createTopics(
    bootstrap,
    ...codecTopics,
    ...others,
    `${prefix}-append-time:1:message.timestamp.type=LogAppendTime`,
  )

  await step('describe', async () => {
    const { brokers, topics } = JSON.parse(await kcat(bootstrap, ['-L', '-J', '-t', `${prefix}-none`]))
    const shown = ({ partition, leader, replicas, isrs }) => {
      return { partition, leader: leader === brokers[0].id, replicas: replicas.length, isr: isrs.length }
    }
    return topics.map(({ topic, partitions }) => ({ topic, partitions: partitions.map(shown) }))
  })
  for (const codec of CODECS) {
    const topic = `${prefix}-${codec}`
    await step(`produce-${codec}`, async () => {
      for (const acks of ACKS) {
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const settings = [
            '-p',
            String(partition),
            '-z',
            codec,
            '-X',
            `acks=${acks}`,
            '-K',
            ':',
            '-Z',
            '-H',
            `acks=${acks}`,
          ]
          await produce(topic, settings, lines(codec, acks, partition).join('\n'))
        }
      }
    })
    await step(`consume-${codec}`, async () => {
      const found = await consume(topic)
      let wrong = 0
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const here = found.filter((record) => record.partition === partition)
        const expected = ACKS.flatMap((acks) => lines(codec, acks, partition).map((line) => [line, `acks,${acks}`]))
        here.forEach(({ offset, key, payload, headers }, position) => {
          const have = [`${key ?? ''}:${payload ?? ''}`, String(headers)]
          if (offset !== position || String(have) !== String(expected[position])) wrong++
        })
        if (here.length !== expected.length) wrong++
      }
      return { records: found.length, wrong, types: [...new Set(found.map(({ tstype }) => tstype))] }
    })
  }
  await step('idempotent', async () => {
    const all = Array.from({ length: IDEMPOTENT_RECORDS }, (_, i) => `k${i}:${i}\n`).join('')
    await produce(`${prefix}-idem`, ['-K', ':', '-z', 'lz4', '-X', 'enable.idempotence=true'], all)
    const found = await consume(`${prefix}-idem`)
    return idempotentOutcome(found.map((record) => ({ ...record, number: Number(record.payload) })))
  })
  await step('log-append-time', async () => {
    await produce(`${prefix}-append-time`, [], 'v')
    return (await consume(`${prefix}-append-time`)).map(({ tstype, ts }) => [tstype, ts > 0])
  })
  await step('commit-resume', async () => {
    await produce(`${prefix}-one`, [], Array.from({ length: 100 }, (_, i) => `v${i}`).join('\n'))
    const inGroup = async (count) => {
      const settings = ['-q', '-X', 'auto.offset.reset=earliest', '-f', '%o\n', '-c', String(count)]
      const offsets = await kcat(bootstrap, [...settings, '-G', `${prefix}-g`, `${prefix}-one`])
      return offsets.trim().split('\n').map(Number)
    }
    const first = await inGroup(30)
    return { first: [first[0], first.at(-1)], resumedAt: await inGroup(1) }
  })
  await step('offsets-for-times', async () => {
    const outcome = {}
    for (const timestamp of [-2, -1, 1, 9_999_999_999_999]) {
      outcome[timestamp] = (await kcat(bootstrap, ['-Q', '-t', `${prefix}-one:0:${timestamp}`])).trim()
    }
    const [{ ts }] = await consume(`${prefix}-one`, '-o', '99')
    return { ...outcome, sinceLast: (await consume(`${prefix}-one`, '-o', `s@${ts}`)).at(-1).offset }
  })
  await step('error-unknown-topic', async () => ({
    produce: await outcomeOf(() => produce(missing, ['-X', 'message.timeout.ms=3000'], 'v')),
    consume: await outcomeOf(() => consume(missing)),
    group: await outcomeOf(() => kcat(bootstrap, ['-q', '-c', '1', '-G', `${prefix}-g2`, missing])),
    list: JSON.parse(await kcat(bootstrap, ['-L', '-J', '-t', missing])).topics,
  }))
  await step('error-too-large', async () => ({
    plain: await outcomeOf(() => produce(`${prefix}-small`, ['-p', '0'], 'x'.repeat(3000))),
    allowed: await outcomeOf(() => produce(`${prefix}-small`, ['-p', '0'], 'x'.repeat(1000))),
    compressedBelow: await outcomeOf(() => produce(`${prefix}-small`, ['-p', '0', '-z', 'gzip'], 'x'.repeat(3000))),
  }))
}

/** `key:value` lines; an empty side is written as null. */
function lines(codec, acks, partition) {
  return Array.from({ length: PER_ACKS / PARTITIONS }, (_, i) => {
    const key = i % 7 === 0 ? '' : `key-${i}`
    return `${key}:${i % 11 === 0 && key !== '' ? '' : `value-${codec}-${acks}-${partition}-${i}${'x'.repeat(3 * i)}`}`
  })
}

/** Writes to all partitions in turn; makes the topic if it is not there. */
async function fill(bootstrap, topic, count, partitions) {
  await createTopics(bootstrap, `${topic}:${partitions}`)
  const values = Array.from({ length: count / partitions }, (_, i) => String(i)).join('\n')
  for (let partition = 0; partition < partitions; partition++) {
    await kcat(bootstrap, ['-P', '-t', topic, '-p', String(partition)], values)
  }
  say({ filled: count })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main({ scenario, member: kcatMember.start, fill })
