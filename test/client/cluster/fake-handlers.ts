/** What the brokers of a fake cluster do with each request that they are not scripted to fail. */
import { APIS } from '../../../src/protocol/messages/apis.ts'
import type { Body, FakeCluster, FakeRequest } from './fake-cluster.ts'
import type { FakePartition } from './fake-log.ts'

interface Session {
  epoch: number
  readonly partitions: Map<string, Body>
}

interface Waiter {
  readonly isClosed: boolean
}

export class FakeHandlers {
  readonly #cluster: FakeCluster
  readonly #sessions = new Map<number, Session>()
  /** False: brokers have no room for sessions. */
  hasSessions = true
  #nextSessionId = 100
  #nextProducerId = 1000

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster
  }

  /** undefined: there is no answer (acks=0). */
  handle(request: FakeRequest, socket: Waiter): Body {
    const { body, nodeId } = request
    switch (request.apiName) {
      case 'ApiVersions':
        return this.#apiVersions(request)
      case 'Metadata':
        return this.#metadata(body)
      case 'DescribeConfigs':
        return { results: body.resources.map((each: Body) => this.#configs(each)) }
      case 'InitProducerId':
        return { errorCode: 0, producerId: this.#nextProducerId++, producerEpoch: 0 }
      case 'Produce':
        return this.#produce(body, nodeId)
      case 'Fetch':
        return this.#fetch(body, nodeId, socket)
      case 'ListOffsets':
        return this.#listOffsets(body, nodeId)
      case 'OffsetForLeaderEpoch':
        return this.#endOfEpoch(body, nodeId)
      default:
        throw new Error(`the fake cluster has no ${request.apiName}`)
    }
  }

  #apiVersions({ version }: FakeRequest): Body {
    const apiKeys = APIS.map(({ key, name, firstVersion, lastVersion }) => ({
      apiKey: key,
      minVersion: firstVersion,
      maxVersion: this.#cluster.versionsMax.get(name) ?? lastVersion,
    }))
    const isUnknown = version > (this.#cluster.versionsMax.get('ApiVersions') ?? Infinity)
    return { errorCode: isUnknown ? 35 : 0, apiKeys }
  }

  #metadata({ topics }: Body): Body {
    const names: string[] = topics === null ? [...this.#cluster.topics.keys()] : topics.map(({ name }: Body) => name)
    const ids = this.#cluster.nodeIds.filter((nodeId) => this.#cluster.isUp(nodeId))
    return {
      brokers: ids.map((nodeId) => ({ nodeId, host: `node${nodeId}`, port: 9092 })),
      controllerId: ids[0],
      topics: names.map((name) => {
        const topic = this.#cluster.topics.get(name)
        if (topic === undefined) return { errorCode: 3, name }
        const partitions = topic.partitions.map(({ leader, epoch }, partitionIndex) => ({
          partitionIndex,
          leaderId: this.#cluster.isUp(leader) ? leader : -1,
          leaderEpoch: epoch,
        }))
        return { errorCode: 0, name, topicId: topic.id, partitions }
      }),
    }
  }

  #configs({ resourceType, resourceName }: Body): Body {
    const topic = this.#cluster.topics.get(resourceName)
    if (topic === undefined) return { errorCode: 3, errorMessage: null, resourceType, resourceName }
    const configs = Object.entries(topic.configs).map(([name, value]) => ({ name, value, configSource: 1 }))
    return { errorCode: 0, errorMessage: null, resourceType, resourceName, configs }
  }

  #produce({ acks, topicData }: Body, nodeId: number): Body {
    const responses = topicData.map(({ name, topicId, partitionData }: Body) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index, records }: Body) => {
        const partition = this.#find(name, topicId, index)
        if (partition === undefined) return { index, errorCode: name === '' ? 100 : 3, baseOffset: -1 }
        if (partition.leader !== nodeId) return { index, errorCode: 6, baseOffset: -1 }
        return { index, ...partition.append(records as Uint8Array) }
      }),
    }))
    return acks === 0 ? undefined : { responses }
  }

  #find(name: string, topicId: string, partition: number): FakePartition | undefined {
    for (const [topic, { id, partitions }] of this.#cluster.topics) {
      if (topic === name || (name === '' && id === topicId)) return partitions[partition]
    }
    return undefined
  }

  async #fetch(body: Body, nodeId: number, socket: Waiter): Promise<Body> {
    const session = this.#sessionOf(body)
    if (typeof session === 'number') return { errorCode: session, sessionId: 0 }
    const wanted: Body[] = [...session.partitions.values()]
    const deadlineMs = this.#cluster.clock.monotonicMs() + body.maxWaitMs
    let answers = this.#read(wanted, nodeId, body.maxBytes)
    while (answers.length === 0 && !socket.isClosed && this.#cluster.clock.monotonicMs() < deadlineMs) {
      await this.#untilMoved(wanted, deadlineMs - this.#cluster.clock.monotonicMs())
      answers = this.#read(wanted, nodeId, body.maxBytes)
    }
    const responses = answers.map(({ topic, topicId, ...partition }: Body) => ({
      topic,
      topicId,
      partitions: [partition],
    }))
    return { errorCode: 0, sessionId: session.id, responses }
  }

  /** The session as the request leaves it, or an error code. */
  #sessionOf({ sessionId, sessionEpoch, topics, forgottenTopicsData }: Body): (Session & { id: number }) | number {
    const flat = (some: Body[]): [string, Body][] =>
      some.flatMap(({ topic, topicId, partitions }: Body) =>
        partitions.map((each: Body) => {
          const wanted = { topic, topicId, ...each }
          return [`${topicId}/${topic}/${each.partition}`, wanted]
        }),
      )
    if (sessionEpoch <= 0) {
      const partitions = new Map(flat(topics))
      if (sessionEpoch < 0 || !this.hasSessions) return { id: 0, epoch: -1, partitions }
      const id = this.#nextSessionId++
      const session = { epoch: 1, partitions }
      this.#sessions.set(id, session)
      return { id, ...session }
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return 70
    if (session.epoch !== sessionEpoch) return 71
    session.epoch += 1
    for (const { topic, topicId, partitions } of forgottenTopicsData as Body[]) {
      for (const partition of partitions) session.partitions.delete(`${topicId}/${topic}/${partition}`)
    }
    for (const [key, wanted] of flat(topics)) session.partitions.set(key, wanted)
    return { id: sessionId, epoch: session.epoch, partitions: session.partitions }
  }

  forgetSessions(): void {
    this.#sessions.clear()
  }

  /** Of each partition that has something to say. */
  #read(wanted: readonly Body[], nodeId: number, maxBytes: number): Body[] {
    let leftBytes = maxBytes
    return wanted.flatMap(({ topic, topicId, partition, fetchOffset, partitionMaxBytes }) => {
      const found = this.#find(topic, topicId, partition)
      const fail = (errorCode: number): Body[] => [
        { topic, topicId, partitionIndex: partition, errorCode, highWatermark: -1, abortedTransactions: null },
      ]
      if (found === undefined) return fail(topic === '' ? 100 : 3)
      if (found.leader !== nodeId) return fail(6)
      if (fetchOffset < found.start || fetchOffset > found.end) return fail(1)
      const records = found.read(fetchOffset, Math.min(leftBytes, partitionMaxBytes))
      if (records.length === 0) return []
      leftBytes = Math.max(0, leftBytes - records.length)
      const ends = { highWatermark: found.end, lastStableOffset: found.end, logStartOffset: found.start }
      const aborted = { abortedTransactions: found.abortedTransactions }
      return [{ topic, topicId, partitionIndex: partition, errorCode: 0, ...ends, ...aborted, records }]
    })
  }

  #untilMoved(wanted: readonly Body[], timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const partitions = wanted.flatMap(({ topic, topicId, partition }) => this.#find(topic, topicId, partition) ?? [])
      const done = (): void => {
        timer.cancel()
        for (const { watchers } of partitions) watchers.delete(done)
        resolve()
      }
      const timer = this.#cluster.clock.after(timeoutMs, done)
      for (const { watchers } of partitions) watchers.add(done)
    })
  }

  #listOffsets({ topics }: Body, nodeId: number): Body {
    return {
      topics: topics.map(({ name, partitions }: Body) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }: Body) => {
          const partition = this.#find(name, '', partitionIndex)
          if (partition === undefined) return { partitionIndex, errorCode: 3 }
          if (partition.leader !== nodeId) return { partitionIndex, errorCode: 6 }
          const offset = timestamp === -2 ? partition.start : partition.end
          return { partitionIndex, errorCode: 0, timestamp: -1, offset, leaderEpoch: partition.epoch }
        }),
      })),
    }
  }

  #endOfEpoch({ topics }: Body, nodeId: number): Body {
    return {
      topics: topics.map(({ topic, partitions }: Body) => ({
        topic,
        partitions: partitions.map(({ partition, leaderEpoch }: Body) => {
          const found = this.#find(topic, '', partition)
          if (found === undefined) return { partition, errorCode: 3 }
          if (found.leader !== nodeId) return { partition, errorCode: 6 }
          return { partition, errorCode: 0, leaderEpoch, endOffset: found.end }
        }),
      })),
    }
  }
}
