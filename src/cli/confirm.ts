/**
 * The question before something is destroyed.
 */
import { CommandFailed, type CommandContext, UsageError } from './command.ts'
import { write } from './output.ts'

/**
 * Resolves when somebody at the terminal says yes. Rejects with CommandFailed for any other answer, and with UsageError
 * where there is nobody to ask: then `--yes` has to be given.
 */
export async function confirm({ stdin, stderr, signal }: CommandContext, question: string): Promise<void> {
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw new UsageError('this deletes records, and there is no terminal to ask at: give --yes')
  }
  await write(stderr, `${question} [y/N] `)
  const answer = await readLine(stdin, signal)
  if (!/^\s*y(es)?\s*$/i.test(answer)) throw new CommandFailed('nothing was changed')
}

function readLine(stdin: NodeJS.ReadStream, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const done = (answer: string): void => {
      stdin.pause()
      stdin.off('data', onData)
      stdin.off('end', onEnd)
      signal.removeEventListener('abort', onEnd)
      resolve(answer)
    }
    const onData = (chunk: Buffer): void => done(chunk.toString('utf8')) // A terminal hands over whole lines.
    const onEnd = (): void => done('')
    stdin.on('data', onData)
    stdin.on('end', onEnd)
    signal.addEventListener('abort', onEnd)
  })
}
