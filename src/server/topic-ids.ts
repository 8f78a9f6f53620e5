/**
 * TopicIds: topics by their id, for requests that name them so (KIP-516). Built anew when the transport's list of
 * topics changed; owned by the net thread.
 */
import type { TopicInfo } from '../protocol/transport.ts'

/** What of a transport is used here. */
export interface TopicList {
  readonly topicsVersion: number
  topics(): TopicInfo[]
}

export class TopicIds {
  readonly #list: TopicList
  #byId = new Map<string, TopicInfo>()
  #version = -1

  constructor(list: TopicList) {
    this.#list = list
  }

  get(topicId: string): TopicInfo | undefined {
    if (this.#version !== this.#list.topicsVersion) {
      this.#version = this.#list.topicsVersion
      this.#byId = new Map(this.#list.topics().map((info) => [info.topicId, info]))
    }
    return this.#byId.get(topicId)
  }
}
