/**
 * `vltava topic`: create, list, describe, delete, alter, add-partitions, trim.
 */
import { confirm } from './confirm.ts'
import {
  type Arguments,
  type Command,
  type CommandContext,
  EXIT_OK,
  LOG_OPTIONS,
  type OptionSpecs,
  parseArguments,
  parseInteger,
  UsageError,
} from './command.ts'
import { plural } from './format-units.ts'
import { LOG_OPTIONS_HELP, logPlace, withLog } from './open-log.ts'
import { writeJson, writeLine } from './output.ts'
import { formatTable } from './table.ts'
import type { Log, PartitionDescription, TopicDescription } from '../index.ts'

const PARTITIONS_MAX = 10_000
const CONFIG_OPTION: OptionSpecs = { config: { type: 'string', short: 'c', multiple: true } }
const YES_OPTION: OptionSpecs = { yes: { type: 'boolean' } }

/** A verb: reads its arguments, then works on the log. */
interface Verb {
  readonly name: string
  readonly summary: string
  readonly usage: string
  readonly options?: OptionSpecs
  readonly positionals: readonly string[]
  readonly mayCreate?: boolean
  /** Checks what can be checked before the directory is opened, and returns the work. Throws UsageError. */
  prepare(args: Arguments, context: CommandContext): (log: Log) => Promise<void>
}

const VERBS: readonly Verb[] = [
  {
    name: 'create',
    summary: 'make a topic',
    usage: `vltava topic create NAME --data DIR [--partitions N] [-c KEY=VALUE]...

Makes a topic, and the data directory if there is none.

  --partitions N        number of partitions, 1 to ${PARTITIONS_MAX} (default 1); it can grow later, never shrink
  -c, --config K=V      a setting of the topic by Kafka's name, as retention.ms=86400000; may be repeated
${LOG_OPTIONS_HELP}

Example:
  vltava topic create clicks --partitions 8 -c retention.ms=86400000 --data ./data`,
    options: { partitions: { type: 'string' }, ...CONFIG_OPTION },
    positionals: ['NAME'],
    mayCreate: true,
    prepare(args, { stdout }) {
      const topic = args.positionals[0]!
      const partitions = args.integer('partitions', 1, PARTITIONS_MAX) ?? 1
      const configs = parseConfigs(args.texts('config'))
      return async (log) => {
        await log.admin.createTopics([{ topic, partitions, configs }])
        if (args.json) return writeJson(stdout, { topic, partitions, configs })
        await writeLine(stdout, `topic ${topic} created with ${plural(partitions, 'partition')}`)
      }
    },
  },
  {
    name: 'list',
    summary: 'all topics, their partitions and records',
    usage: `vltava topic list --data DIR

One line for each topic. With --json one object on each line:
topic, partitions, records.

${LOG_OPTIONS_HELP}`,
    positionals: [],
    prepare(args, { stdout }) {
      return async (log) => {
        const topics = await log.admin.describeTopics(await log.admin.listTopics())
        if (args.json) {
          for (const each of topics) {
            await writeJson(stdout, {
              topic: each.topic,
              partitions: each.partitions.length,
              records: recordsOf(each.partitions),
            })
          }
          return
        }
        const rows = topics.map(({ topic, partitions }) => [topic, partitions.length, recordsOf(partitions)])
        await writeLine(stdout, formatTable(['TOPIC', 'PARTITIONS', 'RECORDS'], rows))
      }
    },
  },
  {
    name: 'describe',
    summary: 'offsets of each partition, and settings',
    usage: `vltava topic describe NAME --data DIR

Shows the topic's id, its settings that differ from Kafka's defaults, and of each partition:
  START       first offset that is there
  END         offset that the next record gets
  COMMITTED   offset up to which everything is on the disk (survives a power cut)

${LOG_OPTIONS_HELP}`,
    positionals: ['NAME'],
    prepare(args, { stdout }) {
      return async (log) => {
        const [description] = await log.admin.describeTopics([args.positionals[0]!])
        if (args.json) await writeJson(stdout, describeAsJson(description!))
        else await writeLine(stdout, describeAsText(description!))
      }
    },
  },
  {
    name: 'delete',
    summary: 'delete a topic with its records',
    usage: `vltava topic delete NAME --data DIR [--yes]

Deletes a topic with all its records. Asks first; where there is no terminal, --yes must be given.

  --yes                 do not ask
${LOG_OPTIONS_HELP}`,
    options: YES_OPTION,
    positionals: ['NAME'],
    prepare(args, context) {
      return async (log) => {
        const topic = args.positionals[0]!
        const [description] = await log.admin.describeTopics([topic])
        const records = plural(recordsOf(description!.partitions), 'record')
        if (!args.flag('yes')) await confirm(context, `Delete topic ${topic} with its ${records}?`)
        await log.admin.deleteTopics([topic])
        if (args.json) return writeJson(context.stdout, { topic, deleted: true })
        await writeLine(context.stdout, `topic ${topic} deleted, with ${records}`)
      }
    },
  },
  {
    name: 'alter',
    summary: 'change settings',
    usage: `vltava topic alter NAME --data DIR [-c KEY=VALUE]... [--reset KEY]...

Changes settings of a topic, by Kafka's names.

  -c, --config K=V      set K to V; may be repeated
  --reset K             set K back to its default; may be repeated
${LOG_OPTIONS_HELP}

Example:
  vltava topic alter clicks -c retention.ms=3600000 --reset segment.bytes --data ./data`,
    options: { ...CONFIG_OPTION, reset: { type: 'string', multiple: true } },
    positionals: ['NAME'],
    prepare(args, { stdout }) {
      const topic = args.positionals[0]!
      const changes: Record<string, string | null> = parseConfigs(args.texts('config'))
      for (const name of args.texts('reset')) {
        if (Object.hasOwn(changes, name)) throw new UsageError(`'${name}' is both set and reset`)
        changes[name] = null
      }
      if (Object.keys(changes).length === 0) throw new UsageError('nothing to change: give -c KEY=VALUE or --reset KEY')
      return async (log) => {
        await log.admin.alterConfigs(topic, changes)
        const [{ configs } = { configs: {} }] = await log.admin.describeTopics([topic])
        if (args.json) return writeJson(stdout, { topic, configs })
        const settings = Object.entries(configs).map(([name, value]) => `${name}=${value}`)
        await writeLine(stdout, `topic ${topic} now has ${settings.length === 0 ? 'no settings' : settings.join(' ')}`)
      }
    },
  },
  {
    name: 'add-partitions',
    summary: 'raise the number of partitions',
    usage: `vltava topic add-partitions NAME N --data DIR

Adds N partitions. Records with a key may go to another partition than before from then on: the order of such keys
holds on either side of the change only.

${LOG_OPTIONS_HELP}

Example:
  vltava topic add-partitions clicks 4 --data ./data`,
    positionals: ['NAME', 'N'],
    prepare(args, { stdout }) {
      const topic = args.positionals[0]!
      const added = parseInteger(args.positionals[1]!, 'N', 1, PARTITIONS_MAX)
      return async (log) => {
        const [description] = await log.admin.describeTopics([topic])
        const partitions = description!.partitions.length + added
        await log.admin.createPartitions(topic, partitions)
        if (args.json) return writeJson(stdout, { topic, partitions })
        await writeLine(stdout, `topic ${topic} now has ${plural(partitions, 'partition')}`)
      }
    },
  },
  {
    name: 'trim',
    summary: 'delete the oldest records of a partition',
    usage: `vltava topic trim NAME --partition P --offset O --data DIR [--yes]

Deletes the records of partition P below offset O. Asks first; where there is no terminal, --yes must be given.

  --partition P         the partition
  --offset O            the first offset to keep, or 'end' to keep none
  --yes                 do not ask
${LOG_OPTIONS_HELP}

Example:
  vltava topic trim clicks --partition 0 --offset 1000000 --yes --data ./data`,
    options: { partition: { type: 'string' }, offset: { type: 'string' }, ...YES_OPTION },
    positionals: ['NAME'],
    prepare(args, context) {
      const topic = args.positionals[0]!
      const partition = args.integer('partition', 0, PARTITIONS_MAX)
      if (partition === undefined) throw new UsageError('--partition P is missing')
      const text = args.text('offset')
      if (text === undefined) throw new UsageError("--offset O is missing: an offset, or 'end'")
      const offset = text === 'end' ? -1 : parseInteger(text, '--offset', 0)
      return async (log) => {
        const [description] = await log.admin.describeTopics([topic])
        const before = description!.partitions[partition]?.logStartOffset ?? 0
        const what = offset < 0 ? 'all records' : `the records below offset ${offset}`
        if (!args.flag('yes')) await confirm(context, `Delete ${what} of ${topic}-${partition}?`)
        const start = await log.admin.trim(topic, partition, offset)
        if (args.json) return writeJson(context.stdout, { topic, partition, log_start_offset: start })
        const deleted = plural(Math.max(0, start - before), 'record')
        await writeLine(context.stdout, `${topic}-${partition} now starts at offset ${start}, ${deleted} deleted`)
      }
    },
  },
]

export const topicCommand: Command = {
  name: 'topic',
  summary: 'create, list, describe, alter and delete topics',
  usage: `vltava topic VERB ...

${VERBS.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join('\n')}

vltava topic VERB --help tells more.`,
  verbs: VERBS.map(toCommand),
  run: () => Promise.reject(new UsageError('a verb is missing')),
}

function toCommand(verb: Verb): Command {
  return {
    name: verb.name,
    summary: verb.summary,
    usage: verb.usage,
    async run(context) {
      const args = parseArguments(context.args, { ...LOG_OPTIONS, ...verb.options }, verb.positionals)
      const place = logPlace(args)
      const work = verb.prepare(args, context)
      await withLog(place, context, work, { mayCreate: verb.mayCreate === true })
      return EXIT_OK
    },
  }
}

function parseConfigs(pairs: readonly string[]): Record<string, string> {
  const configs: Record<string, string> = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at <= 0) throw new UsageError(`-c takes KEY=VALUE, not '${pair}'; --reset KEY sets one back (topic alter)`)
    const name = pair.slice(0, at)
    if (Object.hasOwn(configs, name)) throw new UsageError(`-c ${name} is given twice`)
    configs[name] = pair.slice(at + 1)
  }
  return configs
}

function recordsOf(partitions: readonly PartitionDescription[]): number {
  return partitions.reduce((sum, { highWatermark, logStartOffset }) => sum + highWatermark - logStartOffset, 0)
}

function describeAsJson({ topic, topicId, partitions, configs }: TopicDescription): unknown {
  return {
    topic,
    topic_id: topicId,
    configs,
    partitions: partitions.map(({ partition, logStartOffset, highWatermark, committedOffset, failure }) => ({
      partition,
      log_start_offset: logStartOffset,
      high_watermark: highWatermark,
      committed_offset: committedOffset,
      ...(failure === undefined ? {} : { failure }),
    })),
  }
}

function describeAsText({ topic, topicId, partitions, configs }: TopicDescription): string {
  const settings = Object.entries(configs).map(([name, value]) => `  ${name}=${value}`)
  const rows = partitions.map(({ partition, logStartOffset, highWatermark, committedOffset }) => [
    partition,
    logStartOffset,
    highWatermark,
    committedOffset,
    highWatermark - logStartOffset,
  ])
  const failures = partitions.flatMap(({ partition, failure }) =>
    failure === undefined ? [] : [`  partition ${partition} cannot be written: ${failure}`],
  )
  return [
    `${topic}, id ${topicId}, ${plural(partitions.length, 'partition')}`,
    ...(settings.length === 0 ? ["settings: Kafka's defaults"] : ['settings:', ...settings]),
    formatTable(['PARTITION', 'START', 'END', 'COMMITTED', 'RECORDS'], rows),
    ...failures,
  ].join('\n')
}
