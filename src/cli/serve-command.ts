/**
 * `vltava serve`: opens a data directory and serves the Kafka protocol until it is told to stop.
 */
import type { Listener } from '../index.ts'
import { type Command, type CommandContext, EXIT_OK, parseArguments, UsageError } from './command.ts'
import { withLog } from './open-log.ts'
import { writeJson, writeLine } from './output.ts'

const DEFAULT_LISTEN = '127.0.0.1:9092'

export const serveCommand: Command = {
  name: 'serve',
  summary: 'serve a data directory to Kafka clients over TCP',
  usage: `vltava serve --data DIR [--listen HOST:PORT]... [-X broker.key=value]...

Opens (or makes) the data directory and serves the Kafka protocol until SIGINT or SIGTERM.

  --data DIR            the data directory; one program has it open at a time
  --listen HOST:PORT    where to listen, default ${DEFAULT_LISTEN}; may be repeated; port 0 takes a free one
  --advertise HOST:PORT what clients are told to connect to, one for each --listen in the same order
  -X KEY=VALUE          a setting of the broker by Kafka's name, e.g. -X num.partitions=4; may be repeated
  --threads N           threads that serve connections, default 1
  --metrics HOST:PORT   serve metrics for Prometheus at http://HOST:PORT/metrics
  --json                print one JSON object when ready: {"ready":true,"listeners":[...]}
  -h, --help            this text

Clients outside this machine need --listen with an address that they can reach; there is no access control yet.`,
  run,
}

interface Address {
  readonly host: string
  readonly port: number
}

async function run(context: CommandContext): Promise<number> {
  const { stdout, stderr, signal } = context
  const args = parseArguments(context.args, {
    data: { type: 'string' },
    listen: { type: 'string', multiple: true },
    advertise: { type: 'string', multiple: true },
    broker: { type: 'string', short: 'X', multiple: true },
    threads: { type: 'string' },
    metrics: { type: 'string' },
  })
  const directory = args.text('data')
  if (directory === undefined || directory === '') throw new UsageError('--data DIR is missing')
  const given = args.texts('listen')
  const listen = (given.length === 0 ? [DEFAULT_LISTEN] : given).map((text) => parseAddress(text, '--listen'))
  const advertised = args.texts('advertise').map((text) => parseAddress(text, '--advertise'))
  if (advertised.length > listen.length) throw new UsageError('--advertise is given more often than --listen')
  const settings = parseSettings(args.texts('broker'))
  const threads = args.integer('threads', 1, 64)
  const metricsText = args.text('metrics')
  const metrics = metricsText === undefined ? undefined : parseAddress(metricsText, '--metrics')
  const work = async (log: Parameters<Parameters<typeof withLog>[2]>[0]): Promise<void> => {
    const listener = await log.listen({
      listeners: listen.map((address, i) => {
        const to = advertised[i]
        return to === undefined ? address : { ...address, advertisedHost: to.host, advertisedPort: to.port }
      }),
      settings,
      ...(threads === undefined ? {} : { threads }),
      ...(metrics === undefined ? {} : { metrics }),
      onLog: ({ level, message }) => void writeLine(stderr, `vltava: ${level}: ${message}`),
    })
    await (args.json ? writeJson(stdout, readyLine(listener)) : tellReady(listener, directory, stderr))
    await stopped(signal)
    if (!args.json) await writeLine(stderr, 'vltava: closing')
  }
  await withLog(directory, context, work, { mayCreate: true, settings })
  return EXIT_OK
}

function readyLine(listener: Listener): object {
  const { addresses, metricsPort } = listener
  return { ready: true, listeners: addresses, ...(metricsPort === undefined ? {} : { metricsPort }), pid: process.pid }
}

async function tellReady(listener: Listener, directory: string, stderr: NodeJS.WriteStream): Promise<void> {
  const { advertisedHost, advertisedPort } = listener.addresses[0]!
  for (const { host, port } of listener.addresses) {
    await writeLine(stderr, `vltava: serving ${directory} to Kafka clients on ${host}:${port}`)
  }
  const broker = `${advertisedHost}:${advertisedPort}`
  await writeLine(
    stderr,
    `
Try, from another terminal, with any Kafka client:
  echo hello | kcat -b ${broker} -t greetings -P
  kcat -b ${broker} -t greetings -C -e

Stop with Ctrl-C.`,
  )
}

/** Resolves at SIGINT or SIGTERM: the way a server is meant to end. Rejects if the output is gone. */
function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** `host:port`, `[::1]:port`. */
function parseAddress(text: string, option: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) throw new UsageError(`${option} is HOST:PORT, not '${text}'`)
  return { host: (match[1] ?? match[2])!, port }
}

function parseSettings(texts: readonly string[]): Record<string, string> {
  const settings: Record<string, string> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at <= 0) throw new UsageError(`-X is KEY=VALUE, not '${text}'`)
    settings[text.slice(0, at)] = text.slice(at + 1)
  }
  return settings
}
