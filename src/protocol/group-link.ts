/**
 * GroupLink: where those who use consumer groups meet the coordinators of their groups: in a thread of this process
 * (engine) or behind sockets (client). Messages are those of protocol/messages, decoded: the newest version of each,
 * with Kafka's field names; what `apiVersion` lacks holds its default.
 */

/** Who asks, if it is not this thread: a client of the listener. */
export interface GroupCaller {
  readonly clientId: string
  /** As Kafka prints it: "/127.0.0.1". */
  readonly clientHost: string
}

export interface GroupLink {
  /**
   * True: the coordinators are in this process. Members of this thread need no heartbeat to stay in their group: the
   * end of the thread is seen, and onGroupNews says when a heartbeat brings something. False: members heartbeat at the
   * intervals of their protocol, or they are out.
   */
  readonly isLocal: boolean
  /**
   * Resolves when the coordinators can be asked, and starts what has to be started for that. Not needed before
   * coordinate(). Rejects as coordinate() does.
   */
  ready(signal?: AbortSignal): Promise<void>
  /**
   * Asks the coordinator of the group that the request names. A request that names several groups, or none
   * (ListGroups), is split over their coordinators here, and the answers are joined.
   *
   * Kafka's error codes come in the answer, COORDINATOR_NOT_AVAILABLE among them while a coordinator is away. Rejects
   * with VltavaError LOG_CLOSED when nobody is left to ask, and with the signal's reason; a request that was sent may
   * take effect all the same. `apiVersion` is the newest that the caller can use: a link to a broker that has not got
   * it sends the broker's newest.
   */
  coordinate(
    apiKey: number,
    apiVersion: number,
    request: object,
    caller?: GroupCaller,
    signal?: AbortSignal,
  ): Promise<object>
  /**
   * Calls back whenever the coordinator has something new for a member of this thread, which then heartbeats at once;
   * never called where the coordinator is behind a socket. Returns how to take that back.
   */
  onGroupNews(groupId: string, memberId: string, listener: () => void): () => void
}
