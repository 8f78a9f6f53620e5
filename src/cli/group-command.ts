/**
 * `vltava group`: list, describe, seek, delete.
 */
import type { GroupDescription, GroupOffset, Log, StartPosition } from '../index.ts'
import {
  type Arguments,
  type Command,
  type CommandContext,
  EXIT_OK,
  LOG_OPTIONS,
  type OptionSpecs,
  parseArguments,
  UsageError,
} from './command.ts'
import { confirm } from './confirm.ts'
import { parseStart } from './consume-command.ts'
import { plural } from './format-units.ts'
import { LOG_OPTIONS_HELP, logPlace, withLog } from './open-log.ts'
import { writeJson, writeLine } from './output.ts'
import { formatTable } from './table.ts'

const YES_OPTION: OptionSpecs = { yes: { type: 'boolean' } }
const TOPIC_OPTION: OptionSpecs = { topic: { type: 'string', multiple: true } }

interface Verb {
  readonly name: string
  readonly summary: string
  readonly usage: string
  readonly options?: OptionSpecs
  readonly positionals: readonly string[]
  /** Checks what can be checked before the log is opened, and returns the work. Throws UsageError. */
  prepare(args: Arguments, context: CommandContext): (log: Log) => Promise<void>
}

const VERBS: readonly Verb[] = [
  {
    name: 'list',
    summary: 'all groups and their states',
    usage: `vltava group list --data DIR

One line for each consumer group. With --json one object on each line: group, type, protocol_type, state.

${LOG_OPTIONS_HELP}`,
    positionals: [],
    prepare(args, { stdout, signal }) {
      return async (log) => {
        const groups = await log.admin.listGroups({ signal })
        if (args.json) {
          for (const { groupId, type, protocolType, state } of groups) {
            await writeJson(stdout, { group: groupId, type, protocol_type: protocolType, state })
          }
          return
        }
        const rows = groups.map(({ groupId, type, state }) => [groupId, type, state])
        await writeLine(stdout, formatTable(['GROUP', 'TYPE', 'STATE'], rows))
      }
    },
  },
  {
    name: 'describe',
    summary: 'committed offsets, lag and members',
    usage: `vltava group describe G --data DIR

Shows of the group G, for each partition that it has committed an offset in:
  OFFSET      offset of the next record that the group reads
  END         offset that the next record of the partition gets
  LAG         records in between
  MEMBER      who reads it at present

${LOG_OPTIONS_HELP}`,
    positionals: ['G'],
    prepare(args, { stdout, signal }) {
      return async (log) => {
        const group = await log.admin.describeGroup(args.positionals[0]!, { signal })
        const offsets = await log.admin.groupOffsets(group.groupId, { signal })
        if (args.json) await writeJson(stdout, describeAsJson(group, offsets))
        else await writeLine(stdout, describeAsText(group, offsets))
      }
    },
  },
  {
    name: 'seek',
    summary: 'move a group to another place',
    usage: `vltava group seek G --to WHERE [--topic T]... --data DIR [--yes]

Sets where the group G goes on reading. Only while it has no members. Asks first; where there is no terminal, --yes must
be given.

  --to WHERE            start, end, an offset, or a time: an ISO date (2026-01-31, 2026-01-31T12:00:00Z) or @ and
                        milliseconds since 1970: the first record at or after it
  --topic T             all partitions of this topic; may be repeated (default: where the group has offsets)
  --yes                 do not ask
${LOG_OPTIONS_HELP}

Example:
  vltava group seek billing --to 2026-01-31T12:00:00Z --topic clicks --yes --data ./data`,
    options: { to: { type: 'string' }, ...TOPIC_OPTION, ...YES_OPTION },
    positionals: ['G'],
    prepare(args, context) {
      const group = args.positionals[0]!
      const to = args.text('to')
      if (to === undefined) throw new UsageError('--to is missing: start, end, an offset or a time')
      const place = parseStart(to, '--to')
      const topics = args.texts('topic')
      return (log) => seek(log, group, place, topics, args, context)
    },
  },
  {
    name: 'delete',
    summary: 'delete a group with its offsets',
    usage: `vltava group delete G --data DIR [--yes]

Deletes the group G and all that it has committed. Only while it has no members. Asks first; where there is no terminal,
--yes must be given.

  --yes                 do not ask
${LOG_OPTIONS_HELP}`,
    options: YES_OPTION,
    positionals: ['G'],
    prepare(args, context) {
      const group = args.positionals[0]!
      return async (log) => {
        const { signal, stdout } = context
        await log.admin.describeGroup(group, { signal })
        const offsets = plural((await log.admin.groupOffsets(group, { signal })).length, 'offset')
        if (!args.flag('yes')) await confirm(context, `Delete group ${group} with its ${offsets}?`)
        await log.admin.deleteGroups([group], { signal })
        if (args.json) return writeJson(stdout, { group, deleted: true })
        await writeLine(stdout, `group ${group} deleted, with ${offsets}`)
      }
    },
  },
]

export const groupCommand: Command = {
  name: 'group',
  summary: 'list, describe, move and delete consumer groups',
  usage: `vltava group VERB ...

${VERBS.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join('\n')}

vltava group VERB --help tells more.`,
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
      await withLog(place, context, verb.prepare(args, context))
      return EXIT_OK
    },
  }
}

async function seek(
  log: Log,
  group: string,
  to: StartPosition,
  topics: readonly string[],
  args: Arguments,
  context: CommandContext,
): Promise<void> {
  const { signal, stdout } = context
  const wanted = topics.length === 0 ? { signal } : { signal, topics }
  if (!args.flag('yes')) {
    const where = topics.length === 0 ? 'all its partitions' : topics.join(', ')
    await confirm(context, `Move group ${group} in ${where} to ${args.text('to')}?`)
  }
  const offsets = await log.admin.resetGroupOffsets(group, to, wanted)
  if (args.json) return writeJson(stdout, { group, offsets })
  const rows = offsets.map(({ topic, partition, offset }) => [topic, partition, offset])
  const table = rows.length === 0 ? [] : [formatTable(['TOPIC', 'PARTITION', 'OFFSET'], rows)]
  await writeLine(stdout, [`group ${group} moved in ${plural(rows.length, 'partition')}`, ...table].join('\n'))
}

function describeAsJson(group: GroupDescription, offsets: readonly GroupOffset[]): unknown {
  return {
    group: group.groupId,
    type: group.type,
    state: group.state,
    assignor: group.assignor,
    members: group.members.map(({ memberId, groupInstanceId, clientId, clientHost, partitions }) => ({
      member_id: memberId,
      group_instance_id: groupInstanceId,
      client_id: clientId,
      client_host: clientHost,
      partitions,
    })),
    offsets: offsets.map(({ topic, partition, offset, metadata, logEndOffset, lag }) => ({
      topic,
      partition,
      offset,
      metadata,
      log_end_offset: logEndOffset ?? null,
      lag: lag ?? null,
    })),
  }
}

function describeAsText(group: GroupDescription, offsets: readonly GroupOffset[]): string {
  const readerOf = new Map(
    group.members.flatMap(({ memberId, partitions }) =>
      partitions.map(({ topic, partition }) => [`${topic}-${partition}`, memberId] as const),
    ),
  )
  const rows = offsets.map(({ topic, partition, offset, logEndOffset, lag }) => [
    topic,
    partition,
    offset,
    logEndOffset ?? '-',
    lag ?? '-',
    readerOf.get(`${topic}-${partition}`) ?? '-',
  ])
  const assignor = group.assignor === '' ? '' : `, assigned by ${group.assignor}`
  return [
    `${group.groupId}, ${group.type}, ${group.state}, ${plural(group.members.length, 'member')}${assignor}`,
    ...(rows.length === 0
      ? ['no offsets committed']
      : [formatTable(['TOPIC', 'PARTITION', 'OFFSET', 'END', 'LAG', 'MEMBER'], rows)]),
  ].join('\n')
}
