/** @platformatic/kafka: scenario | member | fill, see README.md. */
import { setTimeout as sleep } from 'node:timers/promises'
import { importPeer } from './peers.mjs'
import {
  ACKS,
  ACKS_NUMBERS,
  asked,
  BAD_CONFIGS,
  BROKER_CONFIGS,
  codecOutcome,
  CODECS,
  IDEMPOTENT_RECORDS,
  idempotentOutcome,
  ILLEGAL_NAMES,
  main,
  makeRecord,
  makeSteps,
  offsetRanges,
  PARTITIONS,
  PER_ACKS,
  say,
  T0,
  TIMES,
  TOPIC_CONFIGS,
  until,
} from './scenario.mjs'

const { Admin, Consumer, ConfigResourceTypes, IncrementalAlterConfigOperationTypes, Producer } =
  await importPeer('@platformatic/kafka')
const { SET, DELETE, APPEND } = IncrementalAlterConfigOperationTypes

/** The protocol's error, which is within errors of the client's own, or the client's code. */
function errorName(error) {
  const protocol = deepest(error)
  return protocol.apiId ?? protocol.code ?? protocol.name
}

function deepest(error) {
  if (error.apiId !== undefined) return error
  for (const inner of [...(error.errors ?? []), error.cause].filter((each) => each !== undefined)) {
    const found = deepest(inner)
    if (found.apiId !== undefined) return found
  }
  return error
}

async function scenario(bootstrap, prefix) {
  const base = { clientId: 'platformatic', bootstrapBrokers: [bootstrap], retries: 3, retryDelay: 50 }
  const admin = new Admin({ ...base, metadataMaxAge: 0 })
  const { step, outcomeOf } = makeSteps(errorName)
  const [main, missing, group] = [`${prefix}-main`, `${prefix}-missing`, `${prefix}-g`]
  const plain = `${prefix}-none`

  const create = (topic, partitions, configs = {}, more = {}) =>
    admin.createTopics({
      topics: [topic],
      partitions,
      replicas: 1,
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      ...more,
    })
  /** Sent to a partition without a leader yet, this client sends all it had again, to the others too. */
  const createReady = async (topic, partitions, configs) => {
    await create(topic, partitions, configs)
    const partitionsAtEnd = Array.from({ length: partitions }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp: -1n,
    }))
    const ask = () => admin.listOffsets({ topics: [{ name: topic, partitions: partitionsAtEnd }] })
    await until(async () => (await outcomeOf(ask)) === 'ok', 'leaders')
  }
  const describe = async (topic) => {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true })
    return topics.get(topic).partitions.map(({ replicas, isr, offlineReplicas }) => {
      return { replicas: replicas.length, isr: isr.length, offline: offlineReplicas.length }
    })
  }
  const describeConfigs = async (resourceType, resourceName) => {
    const [{ configs }] = await admin.describeConfigs({
      resources: [{ resourceType, resourceName, configurationKeys: null }],
      includeSynonyms: true,
      includeDocumentation: false,
    })
    return Object.fromEntries(configs.map((entry) => [entry.name, entry]))
  }
  const alter = (resourceName, configs) =>
    admin.incrementalAlterConfigs({ resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName, configs }] })
  const send = async (messages, options = {}) => {
    const producer = new Producer({ ...base, autocreateTopics: false })
    try {
      return await producer.send({ messages, ...options })
    } finally {
      await producer.close()
    }
  }
  /** Reads `count` records of a topic from its beginning; the offsets are the consumer's own, no group's. */
  const readAll = async (topic, count) => {
    const consumer = new Consumer({ ...base, groupId: `${topic}-reader`, autocommit: false, maxWaitTime: 200 })
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', fallbackMode: 'earliest' })
    const records = []
    stream.on('data', (message) => records.push(asRecord(message)))
    try {
      await until(() => records.length >= count, `${count} records`)
    } finally {
      await consumer.close(true)
    }
    return records
  }

  await step('cluster', async () => {
    const { brokers, controllerId, id } = await admin.metadata({})
    return { nodes: brokers.size, controllerIsNode: brokers.has(controllerId), clusterId: id.length === 22 }
  })
  await step('create', async () => {
    const [{ partitions, replicas, configuration }] = await create(main, PARTITIONS, TOPIC_CONFIGS)
    return { partitions, replicas, configuration }
  })
  await step('create-again', () => create(main, PARTITIONS))
  await step('describe', async () => ({
    listed: (await admin.listTopics()).includes(main),
    partitions: await describe(main),
  }))
  await step('configs', async () =>
    Object.fromEntries(
      Object.entries(await describeConfigs(ConfigResourceTypes.TOPIC, main))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, e]) => [
          name,
          [
            e.value,
            e.configSource,
            e.readOnly,
            e.isSensitive,
            e.configType,
            e.synonyms.map((each) => Object.values(each)),
          ],
        ]),
    ),
  )
  await step('configs-broker', async () => {
    const { brokers } = await admin.metadata({})
    const entries = await describeConfigs(ConfigResourceTypes.BROKER, String([...brokers.keys()][0]))
    return Object.fromEntries(BROKER_CONFIGS.map((name) => [name, entries[name]?.value ?? '(none)']))
  })
  await step('configs-alter', async () => {
    await alter(main, [
      { name: 'retention.bytes', configOperation: SET, value: '123456' },
      { name: 'segment.bytes', configOperation: DELETE },
      { name: 'cleanup.policy', configOperation: APPEND, value: 'compact' },
    ])
    const entries = await until(async () => {
      const found = await describeConfigs(ConfigResourceTypes.TOPIC, main)
      return found['retention.bytes'].value === '123456' && found
    }, 'altered configuration')
    const names = ['retention.bytes', 'segment.bytes', 'cleanup.policy']
    const set = (name, value) => alter(main, [{ name, configOperation: SET, value }])
    return {
      after: Object.fromEntries(names.map((name) => [name, [entries[name].value, entries[name].configSource]])),
      unknown: await outcomeOf(() => set('no.such.config', '1')),
      invalid: await outcomeOf(() => set('retention.ms', 'soon')),
    }
  })

  for (const codec of CODECS) {
    const topic = `${prefix}-${codec}`
    let isWritten = false
    await step(`produce-${codec}`, async () => {
      await createReady(topic, PARTITIONS, { 'retention.ms': '-1' })
      const outcome = {}
      let n = 0
      for (const acks of ACKS) {
        const messages = Array.from({ length: PER_ACKS }, () => {
          const { partition, timestamp, key, value, headers } = makeRecord(codec, n++)
          const pairs = headers.map(([name, each]) => [Buffer.from(name), each])
          return {
            topic,
            partition,
            timestamp: BigInt(timestamp),
            key: key ?? undefined,
            value: value ?? undefined,
            headers: new Map(pairs),
          }
        })
        const { offsets } = await send(messages, { acks: ACKS_NUMBERS[acks], compression: codec })
        outcome[acks] = offsetRanges((offsets ?? []).map((each) => ({ ...each, offset: Number(each.offset) })))
      }
      isWritten = true
      return outcome
    })
    await step(`consume-${codec}`, async () => {
      if (!isWritten) return 'nothing was written: this client cannot compress so on this Node'
      return codecOutcome(codec, await readAll(topic, PER_ACKS * ACKS.length))
    })
  }

  await step('idempotent', async () => {
    const topic = `${prefix}-idem`
    await createReady(topic, 3, { 'retention.ms': '-1' })
    const producer = new Producer({ ...base, idempotent: true })
    for (let from = 0; from < IDEMPOTENT_RECORDS; from += 5000) {
      const messages = Array.from({ length: 5000 }, (_, i) => ({
        topic,
        key: Buffer.from(`k${from + i}`),
        value: Buffer.from(String(from + i)),
      }))
      await producer.send({ messages, acks: -1, compression: 'gzip' })
    }
    await producer.close()
    const records = await readAll(topic, IDEMPOTENT_RECORDS)
    return idempotentOutcome(records.map((record) => ({ ...record, number: Number(record.value) })))
  })
  await step('log-append-time', async () => {
    const topic = `${prefix}-append-time`
    await createReady(topic, 1, { 'message.timestamp.type': 'LogAppendTime' })
    await send([{ topic, value: Buffer.from('v'), timestamp: BigInt(T0) }])
    const [record] = await readAll(topic, 1)
    return { byTheBroker: record.timestamp > T0 }
  })
  await step('commit-resume', async () => {
    const firstOf = async (offsets) => {
      const consumer = new Consumer({
        ...base,
        groupId: group,
        autocommit: false,
        sessionTimeout: 6000,
        heartbeatInterval: 500,
        maxWaitTime: 200,
      })
      const stream = await consumer.consume({ topics: [plain], mode: 'committed', fallbackMode: 'earliest' })
      const found = []
      stream.on('data', (message) => {
        if (message.partition === 0) found.push(Number(message.offset))
      })
      await until(() => found.length > 0, 'a record of partition 0')
      if (offsets !== undefined) await consumer.commit({ offsets })
      await consumer.close(true)
      return found[0]
    }
    const first = await firstOf([{ topic: plain, partition: 0, offset: 30n, leaderEpoch: -1 }])
    return { first, resumedAt: await firstOf(undefined) }
  })
  await step('offsets-for-times', async () => {
    const offsets = {}
    const all = { ...TIMES, latest: -1, earliest: -2, max: -3 }
    for (const [name, timestamp] of Object.entries(all)) {
      const partitions = [{ partitionIndex: 0, timestamp: BigInt(timestamp) }]
      const [found] = await admin.listOffsets({ topics: [{ name: plain, partitions }] })
      offsets[name] = [found.partitions[0].offset, found.partitions[0].timestamp]
    }
    return offsets
  })
  await step('groups-list', async () => {
    const mine = async (filter) => [...(await admin.listGroups(filter)).values()].filter(({ id }) => id === group)
    return {
      all: await mine({}),
      empty: await mine({ states: ['EMPTY'] }),
      stable: await mine({ states: ['STABLE'] }),
      consumer: await mine({ types: ['consumer'] }),
    }
  })
  await step('group-describe', async () => {
    const { state, protocol, protocolType, members } = (await admin.describeGroups({ groups: [group] })).get(group)
    return { state, protocol, protocolType, members: members.size }
  })
  await step('group-reset', async () => {
    const set = (name) =>
      admin.alterConsumerGroupOffsets({
        groupId: group,
        topics: [
          {
            name,
            partitionOffsets: [
              { partition: 0, offset: 10n },
              { partition: 1, offset: 5n },
            ],
          },
        ],
      })
    const listed = async () => {
      const [{ topics }] = await admin.listConsumerGroupOffsets({ groups: [group] })
      const shown = ({ partitionIndex, committedOffset, metadata }) => [partitionIndex, committedOffset, metadata]
      return topics.map(({ name, partitions }) => [name.slice(prefix.length), partitions.map(shown).sort()])
    }
    await set(plain)
    const after = await listed()
    await admin.deleteConsumerGroupOffsets({ groupId: group, topics: [{ name: plain, partitionIndexes: [1] }] })
    return { after, deleted: await listed(), unknownTopic: await outcomeOf(() => set(missing)) }
  })
  await step('delete-records', async () => {
    const trim = (offset) => admin.deleteRecords({ topics: [{ name: plain, partitions: [{ partition: 0, offset }] }] })
    const [{ partitions }] = await trim(20n)
    return { lowWatermark: partitions[0].lowWatermark, beyond: await outcomeOf(() => trim(1_000_000n)) }
  })
  await step('add-partitions', async () => {
    const grow = (name, count, more = {}) =>
      admin.createPartitions({ topics: [{ name, count, assignments: null }], ...more })
    await grow(main, 6, { validateOnly: true })
    const validated = (await describe(main)).length
    await grow(main, 6)
    return {
      validated,
      partitions: await until(async () => {
        const partitions = await describe(main)
        return partitions.length === 6 && partitions
      }, '6 partitions'),
      fewer: await outcomeOf(() => grow(main, 2)),
      unknown: await outcomeOf(() => grow(missing, 6)),
    }
  })
  await step('group-delete', async () => ({
    deleted: await outcomeOf(() => admin.deleteGroups({ groups: [group] })),
    again: await outcomeOf(() => admin.deleteGroups({ groups: [group] })),
  }))
  await step('log-dirs', async () => {
    const topics = [{ name: `${prefix}-gzip`, partitions: [0, 1, 2, 3] }]
    const [{ results }] = await admin.describeLogDirs({ topics })
    const shown = (each) => [each.partitionIndex, each.partitionSize > 0n, each.offsetLag, each.isFutureKey]
    return results.map((dir) => dir.topics.map((topic) => topic.partitions.map(shown).sort()))
  })
  await step('topic-delete', async () => {
    await admin.deleteTopics({ topics: [main] })
    await until(async () => !(await admin.listTopics()).includes(main), 'topic gone')
    return { again: await outcomeOf(() => admin.deleteTopics({ topics: [main] })) }
  })
  await step('error-unknown-topic', async () => ({
    produce: await outcomeOf(() => send([{ topic: missing, value: Buffer.from('v'), partition: 0 }])),
    describe: await outcomeOf(() => describe(missing)),
    configs: await outcomeOf(() => describeConfigs(ConfigResourceTypes.TOPIC, missing)),
  }))
  await step('error-too-large', async () => {
    const topic = `${prefix}-small`
    await createReady(topic, 1, { 'max.message.bytes': '2000' })
    const deliver = (size, options) =>
      outcomeOf(() => send([{ topic, partition: 0, value: Buffer.alloc(size) }], options))
    return {
      plain: await deliver(3000),
      allowed: await deliver(1000),
      compressedBelow: await deliver(3000, { compression: 'gzip' }),
    }
  })
  const bad = `${prefix}-bad`
  await step('error-invalid-config', async () => {
    const outcome = {}
    for (const config of BAD_CONFIGS) outcome[JSON.stringify(config)] = await outcomeOf(() => create(bad, 1, config))
    return { ...outcome, listed: (await admin.listTopics()).includes(bad) }
  })
  await step('error-illegal-name', async () => {
    const outcome = {}
    for (const name of ILLEGAL_NAMES) outcome[name.slice(0, 10)] = await outcomeOf(() => create(name, 1))
    return outcome
  })
  await step('error-create', async () => {
    await create(`${prefix}-co.lide`, 1)
    return {
      noPartitions: await outcomeOf(() => create(bad, 0)),
      replication: await outcomeOf(() => create(bad, 1, {}, { replicas: 3 })),
      collision: await outcomeOf(() => create(`${prefix}-co_lide`, 1)),
      listed: (await admin.listTopics()).includes(bad),
    }
  })
  await admin.close()
}

/** The client tells no null from an empty value apart: both are an empty Buffer, or undefined. */
function asRecord({ partition, offset, timestamp, key, value, headers }) {
  return {
    partition,
    offset: Number(offset),
    timestamp: Number(timestamp),
    key: key ?? null,
    value: value ?? null,
    headers: [...headers].map(([name, each]) => [String(name), each]),
  }
}

async function member(bootstrap, group, topic, protocol) {
  const consumer = new Consumer({
    clientId: 'platformatic',
    bootstrapBrokers: [bootstrap],
    groupId: group,
    autocommit: false,
    maxWaitTime: 200,
    ...(protocol === 'consumer' ? { groupProtocol: 'consumer' } : { sessionTimeout: 6000, heartbeatInterval: 500 }),
  })
  let told = ''
  // Not every change of the assignment has an event with the consumer protocol.
  const tell = () => {
    const mine = (consumer.assignments ?? []).find((each) => each.topic === topic)
    const assigned = [...(mine?.partitions ?? [])].sort((a, b) => a - b)
    if (String(assigned) !== told) say({ assigned })
    told = String(assigned)
  }
  setInterval(tell, 50)
  const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
  stream.on('error', (error) => say({ error: errorName(error) }))
  stream.on('data', async (message) => {
    say({ seen: [[message.partition, Number(message.offset)]] })
    await message.commit()
  })
  await asked()
  // With the consumer protocol its close() does not always settle.
  await Promise.race([consumer.close(true), sleep(2000)])
  process.exit(0)
}

/** Writes to all partitions in turn; makes the topic if it is not there. */
async function fill(bootstrap, topic, count, partitions) {
  const admin = new Admin({ clientId: 'platformatic', bootstrapBrokers: [bootstrap] })
  if (!(await admin.listTopics()).includes(topic)) {
    await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
    await sleep(500)
  }
  await admin.close()
  const producer = new Producer({ clientId: 'platformatic', bootstrapBrokers: [bootstrap] })
  const messages = Array.from({ length: count }, (_, i) => ({
    topic,
    value: Buffer.from(String(i)),
    partition: i % partitions,
  }))
  await producer.send({ messages, acks: -1 })
  await producer.close()
  say({ filled: count })
}

await main({ scenario, member, fill })
