/**
 * Three Apache Kafka nodes on the loopback interface, each broker and KRaft controller, so that one can be killed: what
 * is left has a quorum of controllers and two replicas of everything.
 */
import { createServer } from 'node:net'
import { join } from 'node:path'
import { startBroker } from './broker.mjs'

/** Replicated, with a leader elsewhere soon after a node has gone. */
const CONFIG = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  'broker.session.timeout.ms': '4000',
  'broker.heartbeat.interval.ms': '500',
  'replica.lag.time.max.ms': '3000',
  'controller.quorum.election.timeout.ms': '1000',
  'controller.quorum.fetch.timeout.ms': '1500',
}

/**
 * @typedef {import('./broker.mjs').Broker} Broker
 * @typedef {object} KafkaCluster
 * @property {string[]} bootstrap `127.0.0.1:port` of each node
 * @property {Map<number, Broker>} nodes by node id, 1 to 3
 * @property {(nodeId: number) => Promise<void>} start starts a node that was killed, on its directory and port
 * @property {() => Promise<void>} kill SIGKILL to all
 */

/**
 * @param {string} dir each node has a directory of its own in it
 * @returns {Promise<KafkaCluster>}
 */
export async function startCluster(dir) {
  const ids = [1, 2, 3]
  const ports = await freePorts(2 * ids.length)
  const clientPort = (/** @type {number} */ id) => ports[id - 1] ?? 0
  const controllerPort = (/** @type {number} */ id) => ports[ids.length + id - 1] ?? 0
  const voters = ids.map((id) => `${id}@127.0.0.1:${controllerPort(id)}`).join(',')
  const startNode = (/** @type {number} */ id) => {
    const listeners = `PLAINTEXT://127.0.0.1:${clientPort(id)},CONTROLLER://127.0.0.1:${controllerPort(id)}`
    return startBroker({
      dir: join(dir, `node-${id}`),
      port: clientPort(id),
      config: {
        ...CONFIG,
        'node.id': `${id}`,
        listeners,
        'advertised.listeners': listeners,
        'controller.quorum.voters': voters,
      },
    })
  }
  /** @type {Map<number, Broker>} */
  const nodes = new Map()
  const start = async (/** @type {number} */ id) => void nodes.set(id, await startNode(id))
  await Promise.all(ids.map(start)) // None is ready without a second one.
  return {
    bootstrap: ids.map((id) => `127.0.0.1:${clientPort(id)}`),
    nodes,
    start,
    async kill() {
      await Promise.all([...nodes.values()].map((node) => node.kill()))
    },
  }
}

/**
 * Ports that were free a moment ago, all at once so that they differ.
 * @param {number} count
 * @returns {Promise<number[]>}
 */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer()
      return new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(0, '127.0.0.1', () => resolve(server))
      })
    }),
  )
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
