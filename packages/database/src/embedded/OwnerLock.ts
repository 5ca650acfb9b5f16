interface Waiter<Owner> {
  readonly owner: Owner
  readonly resolve: (granted: boolean) => void
}

/**
 * First come, first served lock on the one backend. It is re-entrant by owner, because a transaction spans many cycles
 * and must keep everybody else out until its last one.
 */
export class OwnerLock<Owner extends object> {
  #owner: Owner | undefined
  #waiters: Array<Waiter<Owner>> = []

  isHeldBy(owner: Owner): boolean {
    return this.#owner === owner
  }

  /** Resolves to `false` when `withdraw` came first; the lock is then not held. */
  acquire(owner: Owner): Promise<boolean> | true {
    if (this.#owner === owner) return true
    if (this.#owner === undefined) {
      this.#owner = owner
      return true
    }
    return new Promise((resolve) => this.#waiters.push({ owner, resolve }))
  }

  /** Gives up waiting; says whether there was something to give up. */
  withdraw(owner: Owner): boolean {
    const index = this.#waiters.findIndex((waiter) => waiter.owner === owner)
    if (index < 0) return false
    const [waiter] = this.#waiters.splice(index, 1)
    waiter?.resolve(false)
    return true
  }

  release(owner: Owner): void {
    if (this.#owner !== owner) return
    const next = this.#waiters.shift()
    this.#owner = next?.owner
    next?.resolve(true)
  }
}
