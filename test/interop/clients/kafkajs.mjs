/** KafkaJS: scenario | member | fill, see README.md. */
import { requirePeer } from './peers.mjs'
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
  PARTITIONS,
  PER_ACKS,
  say,
  T0,
  TIMES,
  TOPIC_CONFIGS,
  until,
} from './scenario.mjs'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = requirePeer('kafkajs')
const TYPES = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }
const GROUP_CONFIG = { sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTimeInMs: 200 }

/** The protocol's name of it, which this client wraps in errors of its own. */
function errorName(error) {
  const inner = error.errors?.[0] ?? error.groups?.[0]?.error ?? error.partitions?.[0]?.error ?? error.cause
  return error.type ?? (inner === undefined ? error.name : errorName(inner))
}

/** The client has gzip; the others are plugged in. Snappy is raw, without the framing that Java writes. */
async function plugCodecs() {
  const snappy = requirePeer('snappyjs')
  const lz4 = requirePeer('lz4-napi')
  const zstd = requirePeer('@bokuweb/zstd-wasm')
  await zstd.init()
  const codec = (compress, decompress) => () => ({
    compress: async (encoder) => Buffer.from(await compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(await decompress(buffer)),
  })
  CompressionCodecs[CompressionTypes.Snappy] = codec(snappy.compress, snappy.uncompress)
  CompressionCodecs[CompressionTypes.LZ4] = codec(lz4.compressFrame, lz4.decompressFrame)
  CompressionCodecs[CompressionTypes.ZSTD] = codec(zstd.compress, zstd.decompress)
}

function connect(bootstrap) {
  return new Kafka({
    clientId: 'kafkajs',
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { retries: 3, initialRetryTime: 50 },
  })
}

async function scenario(bootstrap, prefix) {
  await plugCodecs()
  const kafka = connect(bootstrap)
  const admin = kafka.admin()
  await admin.connect()
  const { step, outcomeOf } = makeSteps(errorName)
  const [main, missing, group] = [`${prefix}-main`, `${prefix}-missing`, `${prefix}-g`]
  const plain = `${prefix}-none`

  const create = (topic, numPartitions, configs = {}, more = {}) =>
    admin.createTopics({
      waitForLeaders: more.validateOnly !== true,
      validateOnly: more.validateOnly ?? false,
      topics: [
        {
          topic,
          numPartitions,
          replicationFactor: more.replicationFactor ?? 1,
          configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })),
        },
      ],
    })
  const describeConfigs = async (type, name) => {
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type, name }] })
    if (resources[0].errorCode !== 0) return { error: resources[0].errorCode }
    return Object.fromEntries(resources[0].configEntries.map((entry) => [entry.configName, entry]))
  }
  const describe = async (topic) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics[0].partitions
      .map((each) => ({
        partition: each.partitionId,
        error: each.partitionErrorCode,
        replicas: each.replicas.length,
        isr: each.isr.length,
      }))
      .sort((a, b) => a.partition - b.partition)
  }
  /** Every record of a topic, read by a group of its own: this client has no other way. */
  const readAll = async (topic, count) => {
    const consumer = kafka.consumer({ groupId: `${topic}-reader`, ...GROUP_CONFIG })
    const records = []
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        for (const message of batch.messages) records.push(asRecord(batch.partition, message))
      },
    })
    await until(() => records.length >= count, `${count} records`)
    await consumer.disconnect()
    return records
  }
  const send = async (topic, messages, options = {}, config = {}) => {
    const producer = kafka.producer(config)
    await producer.connect()
    try {
      return await producer.send({ topic, messages, ...options })
    } finally {
      await producer.disconnect()
    }
  }

  await step('cluster', async () => {
    const { brokers, controller, clusterId } = await admin.describeCluster()
    return {
      nodes: brokers.length,
      controllerIsNode: brokers.some(({ nodeId }) => nodeId === controller),
      clusterId: clusterId.length === 22,
    }
  })
  await step('create', () => create(main, PARTITIONS, TOPIC_CONFIGS))
  await step('create-again', async () => ({ created: await create(main, PARTITIONS) }))
  await step('describe', async () => ({
    listed: (await admin.listTopics()).includes(main),
    partitions: await describe(main),
  }))
  await step('configs', async () =>
    Object.fromEntries(
      Object.entries(await describeConfigs(ConfigResourceTypes.TOPIC, main))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, e]) => [name, [e.configValue, e.isDefault, e.readOnly, e.isSensitive, e.configSource]]),
    ),
  )
  await step('configs-broker', async () => {
    const { brokers } = await admin.describeCluster()
    const entries = await describeConfigs(ConfigResourceTypes.BROKER, String(brokers[0].nodeId))
    return Object.fromEntries(BROKER_CONFIGS.map((name) => [name, entries[name]?.configValue ?? '(none)']))
  })
  await step('configs-alter', async () => {
    // The old, whole AlterConfigs: what is not named returns to its default.
    const alter = (configs) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: main,
            configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })),
          },
        ],
      })
    await alter({ 'retention.bytes': '123456', 'cleanup.policy': 'compact,delete' })
    const entries = await until(async () => {
      const found = await describeConfigs(ConfigResourceTypes.TOPIC, main)
      return found['retention.bytes'].configValue === '123456' && found
    }, 'altered configuration')
    const names = ['retention.bytes', 'retention.ms', 'segment.bytes', 'max.message.bytes', 'cleanup.policy']
    return {
      after: Object.fromEntries(names.map((name) => [name, [entries[name].configValue, entries[name].isDefault]])),
      unknown: await outcomeOf(() => alter({ 'no.such.config': '1' })),
      invalid: await outcomeOf(() => alter({ 'retention.ms': 'soon' })),
    }
  })

  for (const codec of CODECS) {
    const topic = `${prefix}-${codec}`
    await step(`produce-${codec}`, async () => {
      await create(topic, PARTITIONS, { 'retention.ms': '-1' })
      const outcome = {}
      let n = 0
      for (const acks of ACKS) {
        const messages = Array.from({ length: PER_ACKS }, () => {
          const record = makeRecord(codec, n++)
          return { ...record, timestamp: String(record.timestamp), headers: Object.fromEntries(record.headers) }
        })
        const options = { acks: ACKS_NUMBERS[acks], compression: CompressionTypes[TYPES[codec]] }
        const answers = await send(topic, messages, options)
        // Without an acknowledgement there is no answer.
        outcome[acks] = (answers ?? []).map((each) => [each.partition, each.errorCode, each.baseOffset]).sort()
      }
      return outcome
    })
    await step(`consume-${codec}`, async () => codecOutcome(codec, await readAll(topic, PER_ACKS * ACKS.length)))
  }

  await step('idempotent', async () => {
    const topic = `${prefix}-idem`
    await create(topic, 3, { 'retention.ms': '-1' })
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (let from = 0; from < IDEMPOTENT_RECORDS; from += 5000) {
      const messages = Array.from({ length: 5000 }, (_, i) => ({ key: `k${from + i}`, value: String(from + i) }))
      await producer.send({ topic, messages, compression: CompressionTypes.GZIP })
    }
    await producer.disconnect()
    const records = await readAll(topic, IDEMPOTENT_RECORDS)
    return idempotentOutcome(records.map((record) => ({ ...record, number: Number(record.value) })))
  })
  await step('log-append-time', async () => {
    const topic = `${prefix}-append-time`
    await create(topic, 1, { 'message.timestamp.type': 'LogAppendTime' })
    const [answer] = await send(topic, [{ value: 'v', timestamp: String(T0) }])
    const [record] = await readAll(topic, 1)
    return { byTheBroker: record.timestamp > T0, reportedToProducer: Number(answer.logAppendTime) === record.timestamp }
  })
  await step('commit-resume', async () => {
    const firstOf = async (offsets, act) => {
      const consumer = kafka.consumer({ groupId: group, ...GROUP_CONFIG })
      const found = []
      await consumer.connect()
      await consumer.subscribe({ topic: plain, fromBeginning: true })
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          if (partition === 0) found.push(Number(message.offset))
        },
      })
      await until(() => found.length > 0, 'a record of partition 0')
      if (act) await consumer.commitOffsets(offsets)
      await consumer.disconnect()
      return found[0]
    }
    const first = await firstOf([{ topic: plain, partition: 0, offset: '30', metadata: 'thirty' }], true)
    const resumedAt = await firstOf([], false)
    const [committed] = await admin.fetchOffsets({ groupId: group, topics: [plain] })
    return { first, resumedAt, committed: committed.partitions.sort((a, b) => a.partition - b.partition) }
  })
  await step('offsets-for-times', async () => {
    const offsets = {}
    for (const [name, timestamp] of Object.entries(TIMES)) {
      const found = await admin.fetchTopicOffsetsByTimestamp(plain, timestamp)
      offsets[name] = found.map(({ partition, offset }) => [partition, offset]).sort()
    }
    return { ...offsets, watermarks: (await admin.fetchTopicOffsets(plain)).sort((a, b) => a.partition - b.partition) }
  })
  await step('groups-list', async () => {
    const { groups } = await admin.listGroups()
    return groups
      .filter(({ groupId }) => groupId.startsWith(prefix))
      .map(({ groupId, protocolType }) => [groupId, protocolType])
      .sort()
  })
  await step('group-describe', async () => {
    const { groups } = await admin.describeGroups([group, missing])
    return groups.map(({ groupId, errorCode, state, protocol, protocolType, members }) => {
      return { groupId, errorCode, state, protocol, protocolType, members: members.length }
    })
  })
  await step('group-reset', async () => {
    const partitions = [
      { partition: 0, offset: '10' },
      { partition: 1, offset: '5' },
    ]
    await admin.setOffsets({ groupId: group, topic: plain, partitions })
    const [after] = await admin.fetchOffsets({ groupId: group, topics: [plain] })
    await admin.resetOffsets({ groupId: group, topic: plain, earliest: true })
    const [reset] = await admin.fetchOffsets({ groupId: group, topics: [plain] })
    const byPartition = (a, b) => a.partition - b.partition
    return { after: after.partitions.sort(byPartition), reset: reset.partitions.sort(byPartition) }
  })
  await step('delete-records', async () => {
    const trim = (offset) => admin.deleteTopicRecords({ topic: plain, partitions: [{ partition: 0, offset }] })
    await trim('20')
    const records = await readAll(plain, PER_ACKS * ACKS.length - 20)
    const [zero] = (await admin.fetchTopicOffsets(plain)).filter(({ partition }) => partition === 0)
    return {
      watermarks: [zero.low, zero.high],
      first: Math.min(...records.filter(({ partition }) => partition === 0).map(({ offset }) => offset)),
      beyond: await outcomeOf(() => trim('1000000')),
    }
  })
  await step('add-partitions', async () => {
    const grow = (topic, count) => admin.createPartitions({ topicPartitions: [{ topic, count }] })
    await grow(main, 6)
    return {
      partitions: await until(async () => {
        const partitions = await describe(main)
        return partitions.length === 6 && partitions
      }, '6 partitions'),
      fewer: await outcomeOf(() => grow(main, 2)),
      unknown: await outcomeOf(() => grow(missing, 6)),
    }
  })
  await step('group-delete', async () => ({
    deleted: await outcomeOf(() => admin.deleteGroups([group])),
    again: await outcomeOf(() => admin.deleteGroups([group])),
  }))
  await step('topic-delete', async () => {
    await admin.deleteTopics({ topics: [main] })
    await until(async () => !(await admin.listTopics()).includes(main), 'topic gone')
    return { again: await outcomeOf(() => admin.deleteTopics({ topics: [main] })) }
  })
  await step('error-unknown-topic', async () => ({
    produce: await outcomeOf(() => send(missing, [{ value: 'v' }], {}, { allowAutoTopicCreation: false })),
    describe: await outcomeOf(() => describe(missing)),
    configs: await outcomeOf(() => describeConfigs(ConfigResourceTypes.TOPIC, missing)),
  }))
  await step('error-too-large', async () => {
    const topic = `${prefix}-small`
    await create(topic, 1, { 'max.message.bytes': '2000' })
    const deliver = (size, options) => outcomeOf(() => send(topic, [{ value: Buffer.alloc(size) }], options))
    return {
      plain: await deliver(3000),
      allowed: await deliver(1000),
      compressedBelow: await deliver(3000, { compression: CompressionTypes.GZIP }),
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
      replication: await outcomeOf(() => create(bad, 1, {}, { replicationFactor: 3 })),
      validateOnly: await outcomeOf(() => create(bad, 1, {}, { validateOnly: true })),
      validateOnlyBad: await outcomeOf(() => create(bad, 1, BAD_CONFIGS[0], { validateOnly: true })),
      collision: await outcomeOf(() => create(`${prefix}-co_lide`, 1)),
      listed: (await admin.listTopics()).includes(bad),
    }
  })
  await admin.disconnect()
}

function asRecord(partition, { offset, timestamp, key, value, headers }) {
  return {
    partition,
    offset: Number(offset),
    timestamp: Number(timestamp),
    key,
    value,
    headers: Object.entries(headers ?? {}),
  }
}

async function member(bootstrap, group, topic) {
  const consumer = connect(bootstrap).consumer({ groupId: group, ...GROUP_CONFIG })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => say({ assigned: payload.memberAssignment[topic] ?? [] }))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary }) => {
      const last = batch.messages.at(-1)
      resolveOffset(last.offset)
      const offset = String(Number(last.offset) + 1)
      await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition: batch.partition, offset }] }] })
      say({ seen: batch.messages.map((message) => [batch.partition, Number(message.offset)]) })
    },
  })
  await asked()
  await consumer.disconnect()
}

/** Writes to all partitions in turn; makes the topic if it is not there. */
async function fill(bootstrap, topic, count, partitions) {
  const admin = connect(bootstrap).admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitions }] })
  await admin.disconnect()
  const producer = connect(bootstrap).producer()
  await producer.connect()
  const messages = Array.from({ length: count }, (_, i) => ({ value: String(i), partition: i % partitions }))
  await producer.send({ topic, messages })
  await producer.disconnect()
  say({ filled: count })
}

await main({ scenario, member, fill })
