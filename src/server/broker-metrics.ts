/**
 * BrokerMetrics: what one net thread counts, and all of it as text for Prometheus, with the names that the usual rules
 * of the JMX exporter give to Kafka's own metrics, so that dashboards made for Kafka show this broker.
 *
 * Counting costs an addition; names and text are made when somebody asks.
 */
import type { LocalTransport } from '../engine/local-transport.ts'
import type { FileSendCounters } from '../base/env/net.ts'
import { apiOf } from '../protocol/messages/apis.ts'

class TopicCounters {
  bytesIn = 0
  bytesOut = 0
  messagesIn = 0
  produceRequests = 0
  fetchRequests = 0
  failedProduceRequests = 0
  failedFetchRequests = 0
}

class RequestCounters {
  count = 0
  totalMs = 0
  maxMs = 0
  requestBytes = 0
  responseBytes = 0
}

/** What is not counted but looked up when the text is made. */
export interface MetricsView {
  readonly transport: LocalTransport
  readonly files: FileSendCounters
  readonly connectionCount: number
  readonly requestMemoryBytes: number
  readonly clusterId: string
}

type Labels = Readonly<Record<string, string | number>>

export class BrokerMetrics {
  readonly #topics = new Map<string, TopicCounters>()
  /** By API key and version. */
  readonly #requests = new Map<number, RequestCounters>()
  connectionsCreated = 0
  connectionsClosed = 0
  connectionFaults = 0
  /** How many there are; set by who keeps them. */
  fetchSessions: () => number = () => 0

  topic(topic: string): TopicCounters {
    let counters = this.#topics.get(topic)
    if (counters === undefined) {
      counters = new TopicCounters()
      this.#topics.set(topic, counters)
    }
    return counters
  }

  request(apiKey: number, apiVersion: number, requestBytes: number, responseBytes: number, tookMs: number): void {
    const key = (apiKey << 8) | apiVersion
    let counters = this.#requests.get(key)
    if (counters === undefined) {
      counters = new RequestCounters()
      this.#requests.set(key, counters)
    }
    counters.count += 1
    counters.totalMs += tookMs
    counters.maxMs = Math.max(counters.maxMs, tookMs)
    counters.requestBytes += requestBytes
    counters.responseBytes += responseBytes
  }

  /** Prometheus's text format, version 0.0.4. */
  text(view: MetricsView): string {
    const text = new MetricsText()
    for (const topic of this.#topics.keys()) if (view.transport.topic(topic) === undefined) this.#topics.delete(topic)
    this.#topicLines(text)
    this.#requestLines(text)
    this.#connectionLines(text, view)
    partitionLines(text, view.transport)
    text.add('gauge', 'kafka_server_kafkaserver_brokerstate', {}, 3) // RUNNING
    text.add('gauge', 'kafka_server_kafkaserver_clusterid', { clusterid: view.clusterId }, 1)
    text.add('gauge', 'kafka_controller_kafkacontroller_activecontrollercount', {}, 1)
    text.add('gauge', 'kafka_controller_kafkacontroller_activebrokercount', {}, 1)
    text.add('gauge', 'kafka_server_fetchsessioncache_numincrementalfetchsessions', {}, this.fetchSessions())
    text.add('counter', 'vltava_fetch_sendfile_bytes_total', {}, view.files.sentByKernelBytes)
    text.add('counter', 'vltava_fetch_copied_bytes_total', {}, view.files.copiedBytes)
    text.add('gauge', 'vltava_request_memory_bytes', {}, view.requestMemoryBytes)
    return text.toString()
  }

  #topicLines(text: MetricsText): void {
    const names: readonly [string, keyof TopicCounters][] = [
      ['bytesin', 'bytesIn'],
      ['bytesout', 'bytesOut'],
      ['messagesin', 'messagesIn'],
      ['totalproducerequests', 'produceRequests'],
      ['totalfetchrequests', 'fetchRequests'],
      ['failedproducerequests', 'failedProduceRequests'],
      ['failedfetchrequests', 'failedFetchRequests'],
    ]
    for (const [name, field] of names) {
      let total = 0
      for (const counters of this.#topics.values()) total += counters[field]
      const metric = `kafka_server_brokertopicmetrics_${name}_total`
      text.add('counter', metric, {}, total)
      for (const [topic, counters] of this.#topics) text.add('counter', metric, { topic }, counters[field])
    }
  }

  #requestLines(text: MetricsText): void {
    for (const [key, counters] of this.#requests) {
      const labels = { request: apiOf(key >> 8)?.name ?? String(key >> 8), version: key & 0xff }
      text.add('counter', 'kafka_network_requestmetrics_requests_total', labels, counters.count)
      text.add('counter', 'kafka_network_requestmetrics_totaltimems_sum', labels, counters.totalMs)
      text.add('counter', 'kafka_network_requestmetrics_totaltimems_count', labels, counters.count)
      text.add('gauge', 'kafka_network_requestmetrics_totaltimems_max', labels, counters.maxMs)
      text.add('counter', 'kafka_network_requestmetrics_requestbytes_total', labels, counters.requestBytes)
      text.add('counter', 'kafka_network_requestmetrics_responsebytes_total', labels, counters.responseBytes)
    }
  }

  #connectionLines(text: MetricsText, { connectionCount }: MetricsView): void {
    text.add('gauge', 'kafka_server_socket_server_metrics_connection_count', {}, connectionCount)
    text.add('counter', 'kafka_server_socket_server_metrics_connection_creation_total', {}, this.connectionsCreated)
    text.add('counter', 'kafka_server_socket_server_metrics_connection_close_total', {}, this.connectionsClosed)
    text.add('counter', 'vltava_connection_faults_total', {}, this.connectionFaults)
  }
}

function partitionLines(text: MetricsText, transport: LocalTransport): void {
  let partitionCount = 0
  let offlineCount = 0
  const topics = transport.topics()
  for (const { topic, partitionCount: count } of topics) {
    for (let partition = 0; partition < count; partition++) {
      partitionCount += 1
      const labels = { topic, partition }
      if (transport.partitionFailure(topic, partition) !== undefined) offlineCount += 1
      const { logStartOffset, highWatermark } = transport.ends(topic, partition)
      text.add('gauge', 'kafka_log_log_logstartoffset', labels, logStartOffset)
      text.add('gauge', 'kafka_log_log_logendoffset', labels, highWatermark)
      text.add('gauge', 'kafka_log_log_size', labels, transport.admin.sizeBytes(topic, partition))
    }
  }
  text.add('gauge', 'kafka_server_replicamanager_partitioncount', {}, partitionCount)
  text.add('gauge', 'kafka_server_replicamanager_leadercount', {}, partitionCount)
  text.add('gauge', 'kafka_server_replicamanager_underreplicatedpartitions', {}, 0)
  text.add('gauge', 'kafka_server_replicamanager_underminisrpartitioncount', {}, 0)
  text.add('gauge', 'kafka_server_replicamanager_offlinereplicacount', {}, offlineCount)
  text.add('gauge', 'kafka_controller_kafkacontroller_offlinepartitionscount', {}, offlineCount)
  text.add('gauge', 'kafka_controller_kafkacontroller_globaltopiccount', {}, topics.length)
  text.add('gauge', 'kafka_controller_kafkacontroller_globalpartitioncount', {}, partitionCount)
}

/** Lines by metric: the format wants all of one name together, behind its type. */
class MetricsText {
  readonly #metrics = new Map<string, { readonly type: string; readonly lines: string[] }>()

  add(type: 'counter' | 'gauge', name: string, labels: Labels, value: number): void {
    let metric = this.#metrics.get(name)
    if (metric === undefined) {
      metric = { type, lines: [] }
      this.#metrics.set(name, metric)
    }
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(String(text))}"`)
    metric.lines.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`)
  }

  toString(): string {
    return [...this.#metrics].map(([name, { type, lines }]) => `# TYPE ${name} ${type}\n${lines.join('\n')}\n`).join('')
  }
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
