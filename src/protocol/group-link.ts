/**
 * GroupLink: where those who use consumer groups meet the coordinator of their groups: in a thread of this process
 * (engine) or behind a socket (client). Messages are those of protocol/messages, decoded.
 */
export interface GroupCaller {
  readonly clientId: string
  readonly clientHost: string
}

export interface GroupLink {
  /**
   * Asks the coordinator that the request's group belongs to. Kafka's error codes come in the answer; rejects with
   * VltavaError LOG_CLOSED and the like when there is nobody to ask. `caller`: who asks, if it is not this process.
   */
  coordinate(
    apiKey: number,
    apiVersion: number,
    request: object,
    caller?: GroupCaller,
    signal?: AbortSignal,
  ): Promise<object>
  /**
   * Calls back whenever the coordinator has something new for a member of this process, which then heartbeats at once;
   * never called where the coordinator is behind a socket. Returns how to take that back.
   */
  onGroupNews(groupId: string, memberId: string, listener: () => void): () => void
}
