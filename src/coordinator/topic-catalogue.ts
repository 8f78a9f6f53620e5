/**
 * TopicCatalogue: what a coordinator may know about topics. Given to it; when anything in it changes, the owner calls
 * topicsChanged(), and topicsDeleted() for those that are gone.
 */
export interface CatalogueTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionCount: number
}

export interface TopicCatalogue {
  byName(name: string): CatalogueTopic | undefined
  byId(topicId: string): CatalogueTopic | undefined
  all(): Iterable<CatalogueTopic>
}
