/** A job that is put back from the dead letters has a new id in its queue, for the queue knows the old one. */
const redriven = /^(.*)~(\d{1,9})$/s

export interface QueuedId {
  /** The id that the job was first offered under. */
  readonly id: string
  readonly redrives: number
}

export const readQueuedId = (queued: string): QueuedId => {
  const [, id, redrives] = redriven.exec(queued) ?? []
  return id === undefined || redrives === undefined ? { id: queued, redrives: 0 } : { id, redrives: Number(redrives) }
}

export const queuedId = ({ id, redrives }: QueuedId): string => (redrives === 0 ? id : `${id}~${redrives}`)
