/**
 * Runs a client's programs: its scenario, and a group of three of which one is killed.
 *
 * Nothing sleeps to wait for a state: members tell what they are assigned and what they see, a line at a time.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const SCENARIO_MS = 240_000
const GROUP_WAIT_MS = 60_000
const STOP_MS = 5_000
export const GROUP_PARTITIONS = 6
const FILL_RECORDS = 600

/**
 * @param {import('./clients.mjs').Client} client
 * @param {string} bootstrap
 * @returns {Promise<{ outcomes: Map<string, unknown>, ended: string, stderr: string }>} outcomes by step; `ended` is ''
 *   unless the program did not end by itself with status 0
 */
export async function runScenario(client, bootstrap) {
  const program = start(client, ['scenario', bootstrap, client.name])
  const outcomes = new Map()
  program.onLine = ({ step, outcome }) => outcomes.set(step, outcome)
  let ended = ''
  const timer = setTimeout(() => {
    ended = `killed: it had not ended after ${SCENARIO_MS / 1000} s`
    program.child.kill('SIGKILL')
  }, SCENARIO_MS)
  const status = await program.ended
  clearTimeout(timer)
  if (ended === '' && status !== '0') ended = `ended with ${status}`
  return { outcomes, ended, stderr: program.stderr() }
}

/**
 * Three members read a topic of six partitions. One is killed with SIGKILL, one is asked to end; what the others then
 * have, and that every record was seen, is the outcome. Assignments are told as how many partitions each has.
 * @param {import('./clients.mjs').Client} client
 * @param {string} bootstrap
 * @param {'classic' | 'consumer'} protocol
 */
export async function runGroup(client, bootstrap, protocol) {
  const topic = `${client.name}-members-${protocol}`
  const group = `${topic}-g`
  const fill = () => runFill(client, bootstrap, topic)
  const seen = new Set()
  const members = []
  const join = () => {
    const program = startMember(client, [bootstrap, group, topic, protocol])
    const member = { program, assigned: [], errors: [] }
    program.onLine = (line) => {
      if (line.assigned) member.assigned = line.assigned
      if (line.error) member.errors.push(line.error)
      for (const [partition, offset] of line.seen ?? []) seen.add(`${partition}/${offset}`)
    }
    members.push(member)
    return member
  }
  const shares = (of) => of.map(({ assigned }) => assigned.length).sort()
  /** Dealt out evenly: on the way there a group may have everything assigned in another way. */
  const covered = (of) => {
    const all = of.flatMap(({ assigned }) => assigned)
    const isWhole = all.length === GROUP_PARTITIONS && new Set(all).size === GROUP_PARTITIONS
    return isWhole && new Set(of.map(({ assigned }) => assigned.length)).size === 1
  }
  const outcome = {}
  const reach = async (what, isReached, value) => {
    const reached = await waitFor(isReached, members)
    outcome[what] = reached ? value() : `not within ${GROUP_WAIT_MS / 1000} s: ${JSON.stringify(value())}`
    return reached
  }
  try {
    outcome.filled = await fill()
    const all = [join(), join(), join()]
    const [first, second, third] = all
    await reach('three', () => covered(all), () => shares(all)) // prettier-ignore
    await reach('seen', () => seen.size === FILL_RECORDS, () => seen.size) // prettier-ignore
    third.program.child.kill('SIGKILL')
    outcome.filledAgain = await fill()
    const left = [first, second]
    await reach('oneKilled', () => covered(left), () => shares(left)) // prettier-ignore
    await reach('seenAgain', () => seen.size === 2 * FILL_RECORDS, () => seen.size) // prettier-ignore
    second.program.child.kill('SIGTERM')
    await reach('oneLeft', () => covered([first]), () => shares([first])) // prettier-ignore
    outcome.filledAtLast = await fill()
    await reach('seenAtLast', () => seen.size === 3 * FILL_RECORDS, () => seen.size) // prettier-ignore
  } finally {
    await Promise.all(members.map(({ program }) => program.stop()))
  }
  return { outcome, stderr: members.map(({ program }) => program.stderr()).join('\n') }
}

async function runFill(client, bootstrap, topic) {
  const program = start(client, ['fill', bootstrap, topic, String(FILL_RECORDS), String(GROUP_PARTITIONS)])
  let filled = 'nothing'
  program.onLine = (line) => (filled = line.filled ?? filled)
  const timer = setTimeout(() => program.child.kill('SIGKILL'), GROUP_WAIT_MS)
  const status = await program.ended
  clearTimeout(timer)
  return status === '0' ? filled : `fill ended with ${status}: ${program.stderr().slice(-500)}`
}

/** Asks again whenever a member has said something. */
function waitFor(isReached, members) {
  return new Promise((resolve) => {
    const settle = (value) => {
      clearTimeout(timer)
      for (const { program } of members) program.afterLine = () => {}
      resolve(value)
    }
    const timer = setTimeout(() => settle(false), GROUP_WAIT_MS)
    const check = () => {
      if (isReached()) settle(true)
    }
    for (const { program } of members) program.afterLine = check
    check()
  })
}

/** @param {import('./clients.mjs').Client} client @param {string[]} args */
function start(client, args) {
  const [command, ...before] = client.start()
  return watch(spawn(command, [...before, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }), parseLine)
}

function startMember(client, args) {
  if (client.member === undefined) return start(client, ['member', ...args])
  const { command, args: all, env, state } = client.member.start(...args)
  const child = spawn(command, all, { stdio: ['ignore', 'pipe', 'pipe'], env })
  return watch(child, (line) => client.member.translate(line, state))
}

function parseLine(line) {
  return line.startsWith('{') ? JSON.parse(line) : undefined
}

/** Both streams are read line by line: what `parse` makes nothing of is kept for whoever looks for a reason. */
function watch(child, parse) {
  const others = []
  const killNow = () => child.kill('SIGKILL')
  process.once('exit', killNow)
  const program = {
    child,
    onLine: () => {},
    afterLine: () => {},
    stderr: () => others.join('\n'),
    ended: once(child, 'close').then(([code, signal]) => {
      process.removeListener('exit', killNow)
      return String(code ?? signal)
    }),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      const timer = setTimeout(killNow, STOP_MS)
      await program.ended
      clearTimeout(timer)
    },
  }
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      const parsed = parse(line)
      if (parsed === undefined) return void others.push(line)
      program.onLine(parsed)
      program.afterLine()
    })
  }
  return program
}
