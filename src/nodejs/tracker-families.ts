/**
 * One announce over IPv4 and one over IPv6, seen from outside as one (BEP 7): a tracker that has addresses of
 * both families learns both of ours, and tells us the peers of both.
 * Invariant: `done` is called once, never after `cancel`: when both have answered, or a moment after the
 * first that succeeded, so that a family that leads nowhere holds up nothing.
 */
import type { Result } from '../base/result.ts'
import { reachesAsFar, scopeOfHost } from '../wire/address-scope.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import type { AnnounceReply, TrackerFault } from '../wire/tracker-announce.ts'

export type Family = 4 | 6
type Answer = Result<AnnounceReply, TrackerFault>

/** How long the second family may take once the first has answered. */
const GRACE_MS = 2000

export class FamilyAnnounces {
  readonly #done: (answer: Answer) => void
  readonly #cancels: readonly (() => void)[]
  #grace: NodeJS.Timeout | undefined
  #first: Answer | undefined
  #isOver = false

  /** @param start begins the announce over one family; gives how to cancel it */
  constructor(
    start: (family: Family, done: (answer: Answer) => void) => () => void,
    done: (answer: Answer) => void,
  ) {
    this.#done = done
    this.#cancels = ([4, 6] as const).map((family) => start(family, (answer) => this.#take(answer)))
  }

  cancel(): void {
    this.#isOver = true
    clearTimeout(this.#grace)
    for (const cancel of this.#cancels) cancel()
  }

  #take(answer: Answer): void {
    if (this.#isOver) return
    if (this.#first !== undefined) return this.#end(merged(this.#first, answer))
    this.#first = answer
    if (answer.ok) this.#grace = setTimeout(() => this.#end(answer), GRACE_MS)
  }

  #end(answer: Answer): void {
    this.cancel()
    this.#done(answer)
  }
}

function merged(first: Answer, second: Answer): Answer {
  if (!first.ok || !second.ok) return first.ok ? first : second.ok ? second : first
  const peers = new Map(
    [...first.value.peers, ...second.value.peers].map((peer) => [formatEndpoint(peer), peer]),
  )
  const from = farther(first.value.from, second.value.from)
  return {
    ok: true,
    value: { ...second.value, ...first.value, peers: [...peers.values()], ...(from && { from }) },
  }
}

/** The rule about addresses that are more private than their source goes by the more public of the two. */
function farther(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return reachesAsFar(scopeOfHost(one), scopeOfHost(other)) ? one : other
}
