/**
 * What is asked of both brokers, in order. Requests may name topics' ids, which differ: `$id:topic` stands for one.
 *
 * Left out is where Vltava differs on purpose: a topic that Metadata creates is in the same answer (Kafka: the next),
 * the only broker cannot unregister itself, there are no loggers, an operation on a setting that does not exist is
 * INVALID_REQUEST (Kafka: UNKNOWN_SERVER_ERROR), and a resource that is named twice is refused by AlterConfigs (Kafka
 * does not answer).
 */
export interface Step {
  readonly name: string
  readonly key: number
  readonly version: number
  readonly request: object
}

const METADATA = 3
const CREATE_TOPICS = 19
const DELETE_TOPICS = 20
const DELETE_RECORDS = 21
const OFFSET_FOR_LEADER_EPOCH = 23
const DESCRIBE_CONFIGS = 32
const ALTER_CONFIGS = 33
const ALTER_LOG_DIRS = 34
const DESCRIBE_LOG_DIRS = 35
const CREATE_PARTITIONS = 37
const ELECT_LEADERS = 43
const INCREMENTAL_ALTER_CONFIGS = 44
const REASSIGN = 45
const LIST_REASSIGNMENTS = 46
const DESCRIBE_QUOTAS = 48
const ALTER_QUOTAS = 49
const UPDATE_FEATURES = 57
const DESCRIBE_CLUSTER = 60
const DESCRIBE_PRODUCERS = 61
const UNREGISTER = 64
const LIST_CONFIG_RESOURCES = 74
const DESCRIBE_TOPIC_PARTITIONS = 75

const steps: Step[] = []
let count = 0
const ask = (key: number, version: number, request: object): void => {
  count += 1
  steps.push({
    name: `${count}: key=${key} version=${version} ${JSON.stringify(request).slice(0, 160)}`,
    key,
    version,
    request,
  })
}

const settings = (values: Readonly<Record<string, string | null>>): { name: string; value: string | null }[] =>
  Object.entries(values).map(([name, value]) => ({ name, value }))
const create = (topics: readonly object[], validateOnly = true, version = 7): void => {
  const full = topics.map((topic) => ({
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: [],
    ...topic,
  }))
  ask(CREATE_TOPICS, version, { topics: full, timeoutMs: 10_000, validateOnly })
}

// Topics.
create(
  [{ name: 't1', numPartitions: 2, configs: settings({ 'retention.ms': '1000', 'cleanup.policy': 'compact,delete' }) }],
  false,
)
create(
  [
    { name: 't2', numPartitions: -1, replicationFactor: -1 },
    { name: 'tri', numPartitions: 3 },
  ],
  false,
)
create([{ name: 'x.y' }, { name: 'cmp', configs: settings({ 'cleanup.policy': 'compact' }) }], false)
for (const name of ['t1', 'a b', '', '.', '..', 'x'.repeat(250), 'x_y', '__cluster_metadata', 'fine'])
  create([{ name }])
for (const version of [2, 3, 4, 5, 6])
  create([{ name: 'fine', numPartitions: -1, replicationFactor: -1 }], true, version)
for (const numPartitions of [0, -2, 10_001]) create([{ name: 'a', numPartitions }])
for (const replicationFactor of [0, -2, 2]) create([{ name: 'a', replicationFactor }])
create([{ name: 'a' }, { name: 'b' }, { name: 'a' }])
create([])
for (const values of [
  { nope: '1' },
  { 'retention.ms': 'abc' },
  { 'retention.ms': null },
  { 'retention.ms': '-2' },
  { 'retention.ms': ' 5 ' },
  { 'cleanup.policy': 'foo' },
  { 'cleanup.policy': '' },
  { 'cleanup.policy': ' compact , delete' },
  { 'compression.type': 'brotli' },
  { 'compression.gzip.level': '0' },
  { preallocate: 'yes' },
  { 'min.cleanable.dirty.ratio': '1.5' },
  { 'segment.bytes': '100' },
  { 'segment.bytes': '99999999999' },
  { 'min.insync.replicas': '2' },
  { 'min.insync.replicas': '0' },
  { 'remote.storage.enable': 'true' },
  { 'local.retention.ms': '5' },
  { 'leader.replication.throttled.replicas': '0:1' },
  { 'leader.replication.throttled.replicas': 'x' },
  { 'internal.segment.bytes': '1000' },
  { 'min.compaction.lag.ms': '10', 'max.compaction.lag.ms': '5' },
  { 'message.timestamp.type': 'x' },
]) {
  create([{ name: 'a', configs: settings(values) }])
}
const brokersOf = (...assignments: [number, number[]][]): object => ({
  name: 'a',
  numPartitions: -1,
  replicationFactor: -1,
  assignments: assignments.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
})
for (const topic of [
  brokersOf([0, [1]], [1, [1]]),
  { ...brokersOf([0, [1]]), numPartitions: 1 },
  { ...brokersOf([0, [1]]), replicationFactor: 1 },
  brokersOf([0, [1]], [2, [1]]),
  brokersOf([0, [1]], [0, [1]]),
  brokersOf([0, [9]]),
  brokersOf([0, [1, 1]]),
  brokersOf([0, []]),
  { name: 'a b', numPartitions: 0, configs: settings({ nope: '1' }) },
  { name: 'a', numPartitions: 0, replicationFactor: 5, configs: settings({ nope: '1' }) },
  { name: 't1', configs: settings({ nope: '1' }) },
]) {
  create([topic])
}

// Metadata.
for (let version = 0; version <= 13; version++) {
  ask(METADATA, version, { topics: [{ name: 't1' }], ...(version >= 4 ? { allowAutoTopicCreation: false } : {}) })
}
ask(METADATA, 0, { topics: [] })
ask(METADATA, 1, { topics: [] })
ask(METADATA, 12, { topics: null })
ask(METADATA, 12, { topics: [{ name: null, topicId: '$id:t1' }, { name: 't1' }, { name: 't1' }] })
ask(METADATA, 12, { topics: [{ name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAEA' }] })
ask(METADATA, 10, { topics: [{ name: 't1', topicId: '$id:t1' }] })
for (const name of ['nope', 'a b', '__transaction_state']) {
  ask(METADATA, 12, { topics: [{ name }], allowAutoTopicCreation: false })
}
const operations = { includeTopicAuthorizedOperations: true, allowAutoTopicCreation: false }
ask(METADATA, 8, { topics: [{ name: 't1' }, { name: 'no' }], includeClusterAuthorizedOperations: true, ...operations })
ask(METADATA, 12, { topics: [{ name: 't1' }], ...operations })
for (const version of [0, 1, 2]) ask(DESCRIBE_CLUSTER, version, { includeClusterAuthorizedOperations: version === 1 })
ask(DESCRIBE_CLUSTER, 2, { endpointType: 2 })
ask(DESCRIBE_CLUSTER, 2, { endpointType: 3 })
const pages = (topics: readonly string[], limit: number, cursor: [string, number] | null = null): void =>
  ask(DESCRIBE_TOPIC_PARTITIONS, 0, {
    topics: topics.map((name) => ({ name })),
    responsePartitionLimit: limit,
    cursor: cursor === null ? null : { topicName: cursor[0], partitionIndex: cursor[1] },
  })
pages(['tri', 't1'], 2)
pages(['tri', 't1'], 2, ['tri', 0])
pages(['tri', 't1'], 2, ['tri', 2])
pages(['tri'], 2, ['tri', 3])
pages(['tri'], 2, ['tri', -1])
pages(['tri', 't1'], 2, ['t2', 0])
pages(['zz', 'a b'], 2000)
pages(['tri', 'x.y'], 3)
pages(['tri', 'tri'], 0)
pages([], 2000)

// Partitions and records.
const grow = (topics: readonly object[], validateOnly = false): void =>
  ask(CREATE_PARTITIONS, 3, {
    topics: topics.map((one) => ({ assignments: null, ...one })),
    timeoutMs: 10_000,
    validateOnly,
  })
grow([{ name: 't2', count: 3 }])
for (const count of [3, 2, 0, -1]) grow([{ name: 't2', count }])
grow([{ name: 't2', count: 5 }], true)
grow([
  { name: 'zz', count: 3 },
  { name: 't1', count: 2 },
])
grow([
  { name: 't2', count: 5 },
  { name: 't2', count: 5 },
])
for (const assignments of [[[1]], [[1], [1]], [[9], [1]], [[], [1]], [[1, 1], [1]]]) {
  grow([{ name: 't2', count: 5, assignments: assignments.map((brokerIds) => ({ brokerIds })) }], true)
}
const trim = (name: string, partitionIndex: number, offset: number): void =>
  ask(DELETE_RECORDS, 2, { topics: [{ name, partitions: [{ partitionIndex, offset }] }], timeoutMs: 5000 })
for (const offset of [0, -1, 5, -2]) trim('tri', 0, offset)
trim('tri', 9, 0)
trim('zz', 0, 0)
trim('cmp', 0, 0)
trim('__consumer_offsets', 0, 0)
for (const version of [2, 3, 4]) {
  const partitions = [0, 9].map((partition) => ({ partition, currentLeaderEpoch: -1, leaderEpoch: 0 }))
  ask(OFFSET_FOR_LEADER_EPOCH, version, { topics: [{ topic: 't1', partitions }] })
}
ask(OFFSET_FOR_LEADER_EPOCH, 4, {
  topics: [{ topic: 't1', partitions: [{ partition: 0, currentLeaderEpoch: 5, leaderEpoch: 0 }] }],
})
ask(DESCRIBE_PRODUCERS, 0, { topics: ['t1', 'zz', 'a b'].map((name) => ({ name, partitionIndexes: [0, 9] })) })
for (const version of [1, 2, 3, 4]) ask(DESCRIBE_LOG_DIRS, version, { topics: [{ topic: 't1', partitions: [0, 9] }] })
ask(ALTER_LOG_DIRS, 2, { dirs: [{ path: '/elsewhere', topics: [{ name: 't1', partitions: [0] }] }] })

// Settings.
const TOPIC = { resourceType: 2, resourceName: 't1' }
const BROKER = { resourceType: 4, resourceName: '1' }
const ALL_BROKERS = { resourceType: 4, resourceName: '' }
const GROUP = { resourceType: 32, resourceName: 'g1' }
const describeOne = (resource: object, configurationKeys: readonly string[] | null, version = 4): void =>
  ask(DESCRIBE_CONFIGS, version, { resources: [{ ...resource, configurationKeys }], includeSynonyms: true })
const SHOWN_OF_BROKER = [
  'message.max.bytes',
  'log.retention.ms',
  'log.retention.hours',
  'log.roll.ms',
  'num.partitions',
]
for (const version of [1, 2, 3, 4]) describeOne(TOPIC, ['retention.ms', 'nope', 'min.insync.replicas'], version)
describeOne(TOPIC, null)
describeOne(TOPIC, [])
describeOne(BROKER, SHOWN_OF_BROKER)
describeOne(ALL_BROKERS, null)
for (const [resourceType, resourceName] of [
  [2, 'zz'],
  [2, 'a b'],
  [4, '2'],
  [4, 'x'],
  [8, ''],
  [8, '2'],
  [16, ''],
  [32, ''],
  [3, 'x'],
]) {
  describeOne({ resourceType, resourceName }, null)
}
const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3
const alter = (resource: object, ...changes: [string, number, (string | null)?][]): void => {
  const configs = changes.map(([name, configOperation, value = null]) => ({ name, configOperation, value }))
  ask(INCREMENTAL_ALTER_CONFIGS, 1, { resources: [{ ...resource, configs }], validateOnly: false })
}
alter(TOPIC, ['retention.ms', SET, '5000'])
describeOne(TOPIC, ['retention.ms'])
alter(TOPIC, ['retention.ms', SET, 'x'])
alter(TOPIC, ['nope', SET, 'x'])
alter(TOPIC, ['retention.ms', SET, null])
alter(TOPIC, ['nope', DELETE])
alter(TOPIC, ['cleanup.policy', SUBTRACT, 'delete'])
describeOne(TOPIC, ['cleanup.policy'])
alter(TOPIC, ['cleanup.policy', DELETE])
alter(TOPIC, ['cleanup.policy', APPEND, 'compact'])
describeOne(TOPIC, ['cleanup.policy'])
alter(TOPIC, ['cleanup.policy', APPEND, 'foo'])
alter(TOPIC, ['retention.ms', APPEND, '5'])
alter(TOPIC, ['retention.ms', SET, '5'], ['retention.ms', DELETE])
alter(TOPIC, ['retention.ms', SET, '999'], ['segment.ms', SET, 'x'])
describeOne(TOPIC, ['retention.ms', 'segment.ms'])
alter({ resourceType: 2, resourceName: 'zz' }, ['retention.ms', SET, '5'])
alter({ resourceType: 2, resourceName: '' }, ['retention.ms', SET, '5'])
alter({ resourceType: 99, resourceName: 'x' }, ['a', SET, '1'])
alter(
  BROKER,
  ['message.max.bytes', SET, '2000000'],
  ['log.retention.ms', SET, '1234567'],
  ['log.roll.ms', SET, '99999'],
)
alter(ALL_BROKERS, ['message.max.bytes', SET, '3000000'], ['log.retention.ms', SET, '7654321'])
describeOne(BROKER, SHOWN_OF_BROKER)
describeOne(ALL_BROKERS, null)
describeOne({ resourceType: 2, resourceName: 't2' }, ['retention.ms', 'segment.ms', 'max.message.bytes'])
alter(BROKER, ['message.max.bytes', DELETE], ['log.roll.ms', DELETE])
describeOne({ resourceType: 2, resourceName: 't2' }, ['segment.ms', 'max.message.bytes'])
alter(BROKER, ['num.partitions', SET, '4'])
alter(BROKER, ['message.max.bytes', SET, 'x'])
alter(BROKER, ['log.retention.ms', SET, '0'])
alter(BROKER, ['min.insync.replicas', SET, '2'])
alter(ALL_BROKERS, ['min.insync.replicas', DELETE])
alter(ALL_BROKERS, ['listeners', SET, 'PLAINTEXT://:1'])
alter({ resourceType: 4, resourceName: '2' }, ['message.max.bytes', SET, '5'])
alter({ resourceType: 4, resourceName: 'x' }, ['message.max.bytes', SET, '5'])
alter(GROUP, ['consumer.session.timeout.ms', SET, '50000'])
describeOne(GROUP, ['consumer.session.timeout.ms', 'consumer.heartbeat.interval.ms'])
alter(GROUP, ['consumer.session.timeout.ms', SET, '5'])
alter(GROUP, ['consumer.session.timeout.ms', SET, '5000000'])
alter(GROUP, ['nope', SET, '5'])
alter({ resourceType: 32, resourceName: '' }, ['consumer.session.timeout.ms', SET, '50000'])
alter({ resourceType: 16, resourceName: 'm1' }, ['interval.ms', SET, '1000'])
alter({ resourceType: 16, resourceName: 'm1' }, ['nope', SET, '1000'])
const replace = (resource: object, values: Readonly<Record<string, string | null>>): void =>
  ask(ALTER_CONFIGS, 2, { resources: [{ ...resource, configs: settings(values) }], validateOnly: false })
replace(TOPIC, { 'retention.ms': '66' })
describeOne(TOPIC, ['retention.ms', 'cleanup.policy'])
replace(TOPIC, { 'retention.ms': 'x' })
replace(TOPIC, { 'retention.ms': null })
replace(TOPIC, { nope: '1' })
replace({ resourceType: 2, resourceName: 'zz' }, { 'retention.ms': '66' })
replace(TOPIC, {})
for (const types of [[], [2], [4], [8], [16, 32], [1], [99]]) ask(LIST_CONFIG_RESOURCES, 1, { resourceTypes: types })
ask(LIST_CONFIG_RESOURCES, 0, {})

// Quotas.
const quota = (entity: Readonly<Record<string, string | null>>, key: string, value: number, remove = false): void => {
  const names = Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName }))
  ask(ALTER_QUOTAS, 1, { entries: [{ entity: names, ops: [{ key, value, remove }] }], validateOnly: false })
}
quota({ user: 'bob' }, 'producer_byte_rate', 1000)
quota({ user: 'bob', 'client-id': 'c' }, 'request_percentage', 50.5)
quota({ 'client-id': null }, 'producer_byte_rate', 77)
quota({ ip: '127.0.0.1' }, 'connection_creation_rate', 100)
quota({ ip: 'not an ip' }, 'connection_creation_rate', 100)
quota({ ip: '1.2.3.4', user: 'x' }, 'connection_creation_rate', 100)
quota({ ip: '1.2.3.4' }, 'producer_byte_rate', 100)
quota({ foo: '1' }, 'producer_byte_rate', 100)
quota({ user: '1' }, 'nope', 100)
for (const value of [-1, 0, 1.5]) quota({ user: '1' }, 'producer_byte_rate', value)
quota({ user: '1' }, 'controller_mutation_rate', 1.5)
quota({}, 'producer_byte_rate', 1)
quota({ user: '' }, 'producer_byte_rate', 1)
quota({ user: '1' }, 'controller_mutation_rate', 0, true)
const findQuotas = (strict: boolean, ...filter: [string, number, string | null][]): void => {
  const components = filter.map(([entityType, matchType, match]) => ({ entityType, matchType, match }))
  ask(DESCRIBE_QUOTAS, 1, { components, strict })
}
findQuotas(false)
findQuotas(true)
findQuotas(false, ['user', 0, 'bob'])
findQuotas(true, ['user', 0, 'bob'])
findQuotas(false, ['user', 2, null])
findQuotas(false, ['client-id', 1, null])
findQuotas(false, ['ip', 2, null])
findQuotas(false, ['foo', 2, null])
findQuotas(false, ['user', 7, null])
findQuotas(false, ['user', 0, null])
findQuotas(false, ['user', 1, 'x'])
findQuotas(false, ['user', 2, null], ['user', 2, null])
findQuotas(false, ['ip', 2, null], ['user', 2, null])

// One node.
for (const electionType of [0, 1, 5]) {
  const topicPartitions = [
    { topic: 't1', partitions: [0, 9] },
    { topic: 'zz', partitions: [0] },
  ]
  ask(ELECT_LEADERS, 2, { electionType, topicPartitions, timeoutMs: 3000 })
}
ask(ELECT_LEADERS, 2, { electionType: 0, topicPartitions: null, timeoutMs: 3000 })
for (const replicas of [[1], [9], [], [1, 1], null]) {
  ask(REASSIGN, 1, { topics: [{ name: 't1', partitions: [{ partitionIndex: 0, replicas }] }], timeoutMs: 3000 })
}
ask(REASSIGN, 0, { topics: [{ name: 'zz', partitions: [{ partitionIndex: 0, replicas: [1] }] }], timeoutMs: 3000 })
ask(LIST_REASSIGNMENTS, 0, { topics: null, timeoutMs: 3000 })
ask(UNREGISTER, 0, { brokerId: 9 })
for (const version of [0, 1, 2]) ask(UPDATE_FEATURES, version, { featureUpdates: [], timeoutMs: 3000 })
for (const maxVersionLevel of [1, 9]) {
  const featureUpdates = [{ feature: 'group.version', maxVersionLevel, upgradeType: 1 }]
  ask(UPDATE_FEATURES, 1, { featureUpdates, validateOnly: true, timeoutMs: 3000 })
}

// Deletion.
const byName = (name: string): object => ({ name })
ask(DELETE_TOPICS, 5, { topicNames: ['t2', 'zz'], timeoutMs: 5000 })
ask(DELETE_TOPICS, 6, { topics: [byName('tri'), byName('tri')], timeoutMs: 5000 })
ask(DELETE_TOPICS, 6, { topics: [{ name: 'tri', topicId: '$id:tri' }, { name: null }], timeoutMs: 5000 })
ask(DELETE_TOPICS, 6, { topics: [byName('tri'), { name: null, topicId: '$id:tri' }], timeoutMs: 5000 })
ask(DELETE_TOPICS, 6, { topics: [{ name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAEA' }, byName('x.y')], timeoutMs: 5000 })
ask(DELETE_TOPICS, 6, { topics: [{ name: null, topicId: '$id:tri' }, byName('nope')], timeoutMs: 5000 })

export const STEPS: readonly Step[] = steps
