/**
 * The clients of the suite: how each is started, and what it can.
 *
 * Every program has three verbs (README.md): `scenario HOST:PORT PREFIX`, `member HOST:PORT GROUP TOPIC PROTOCOL`,
 * `fill HOST:PORT TOPIC COUNT PARTITIONS`.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { javaCommand } from '../kafka/java.mjs'
import { verifiableMember } from './java-tools.mjs'
import { kcatMember } from './kcat.mjs'
import { CACHE } from './peers.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const PYTHON = join(CACHE, 'python/bin/python')

/** Steps of the whole scenario, in the order in which a client runs them. */
export const STEPS = [
  'cluster',
  'create',
  'create-again',
  'describe',
  'configs',
  'configs-broker',
  'configs-alter',
  ...['none', 'gzip', 'snappy', 'lz4', 'zstd'].flatMap((codec) => [`produce-${codec}`, `consume-${codec}`]),
  'idempotent',
  'log-append-time',
  'commit-resume',
  'offsets-for-times',
  'groups-list',
  'group-describe',
  'group-reset',
  'delete-records',
  'add-partitions',
  'group-delete',
  'topic-delete',
  'error-unknown-topic',
  'error-too-large',
  'error-invalid-config',
  'error-illegal-name',
  'error-create',
]

/**
 * @typedef {object} Client
 * @property {string} name also the prefix of its topics and groups
 * @property {string[]} peers what must be installed, as peers.mjs names it; `java` stands for Kafka's jars
 * @property {() => [command: string, ...args: string[]]} start
 * @property {string[]} steps what it can of STEPS, and steps of its own
 * @property {string[]} errors steps that end in an error with Apache Kafka too
 * @property {('classic' | 'consumer')[]} protocols of its consumer groups
 * @property {boolean} [stampsByClock] its records have the time at which they were written, not one of the scenario
 * @property {{ start: Function, translate: Function }} [member] where the member is another program, which says things
 *   in its own way
 */

/** @type {Client[]} */
export const CLIENTS = [
  {
    name: 'confluent',
    peers: ['python'],
    start: () => [PYTHON, join(HERE, 'confluent.py')],
    steps: STEPS,
    errors: ['create-again'],
    protocols: ['classic', 'consumer'],
  },
  {
    name: 'kafka-python',
    peers: ['python'],
    start: () => [PYTHON, join(HERE, 'kafka-python.py')],
    steps: [...STEPS, 'describe-partitions', 'log-dirs'],
    errors: ['create-again'],
    protocols: ['classic'],
  },
  {
    name: 'kafkajs',
    peers: ['node'],
    start: () => [process.execPath, join(HERE, 'kafkajs.mjs')],
    steps: STEPS,
    errors: [],
    protocols: ['classic'],
  },
  {
    name: 'platformatic',
    peers: ['node'],
    start: () => [process.execPath, join(HERE, 'platformatic.mjs')],
    steps: [...STEPS, 'log-dirs'],
    errors: [
      'create-again',
      'produce-zstd', // Node 20 has no zstd, and this client brings none.
    ],
    protocols: ['classic', 'consumer'],
  },
  {
    name: 'java',
    peers: ['java'],
    start: () => javaCommand('ClientScenario'),
    steps: [...STEPS, 'producers', 'log-dirs'],
    errors: ['create-again'],
    protocols: ['classic', 'consumer'],
  },
  {
    name: 'franz-go',
    peers: ['go'],
    start: () => [join(CACHE, 'go/franz-go')],
    steps: [...STEPS, 'producers', 'leader-epochs', 'log-dirs'],
    errors: ['create-again'],
    protocols: ['classic', 'consumer'],
  },
  {
    name: 'kcat',
    peers: ['debian', 'java'],
    start: () => [process.execPath, join(HERE, 'kcat.mjs')],
    steps: [
      'describe',
      ...STEPS.filter((step) => /^(produce|consume)-/.test(step)),
      ...['idempotent', 'log-append-time', 'commit-resume', 'offsets-for-times'],
      ...['error-unknown-topic', 'error-too-large'],
    ],
    errors: [],
    protocols: ['classic'],
    member: kcatMember,
    stampsByClock: true,
  },
  {
    name: 'java-tools',
    peers: ['java'],
    start: () => [process.execPath, join(HERE, 'java-tools.mjs')],
    steps: [
      ...['create', 'create-again', 'describe', 'configs', 'configs-alter', 'quotas'],
      ...['verifiable-producer', 'verifiable-consumer', 'console', 'offsets', 'offsets-max-timestamp'],
      ...['groups-list', 'group-describe', 'group-reset', 'delete-records', 'add-partitions', 'log-dirs'],
      ...['api-versions', 'performance', 'group-delete', 'topic-delete', 'error-illegal-name', 'error-invalid-config'],
    ],
    errors: [],
    protocols: ['classic', 'consumer'],
    member: verifiableMember,
  },
]
