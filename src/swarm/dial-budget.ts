/**
 * How often we dial, all torrents together, so that no list of addresses turns us on a victim (S17): each
 * host may be dialled a few times without an answer, then rarely; and never many hosts in one moment.
 * An answer is a BitTorrent handshake for the torrent we came for. Who gives one has its dial back, so a host
 * of many peers is dialled as often as it likes. The user's own peers are not counted.
 * Bounded by `dialedHostsMax`: who was dialled longest ago is forgotten first.
 */
import { LIMITS } from '../base/limits.ts'
import { after, type Instant, MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import { scopeOfHost } from '../wire/address-scope.ts'
import type { KnownPeer } from './peer-list.ts'

/** One more dial of a silent host after this: as rare as the back-off of one peer becomes. */
const REFILL_SECONDS = 600
/** Many peers may share this machine, and whoever names them is on it too. */
const OWN_MACHINE = { dials: 64, refillSeconds: 10 } as const

interface HostBudget {
  readonly dialsMax: number
  readonly refill: number
  /** Dials left at `at`; grows with time. */
  dials: number
  at: Instant
}

export class DialBudget {
  readonly #hosts = new Map<string, HostBudget>()
  #turns: number = LIMITS.dialsPerSecondMax.value
  #turnsAt = 0 as Instant

  /** The rate of all dials allows one more. */
  hasTurn(now: Instant): boolean {
    const earned = ((now - this.#turnsAt) / MICROSECONDS_PER_SECOND) * LIMITS.dialsPerSecondMax.value
    this.#turns = Math.min(LIMITS.dialsPerSecondMax.value, this.#turns + earned)
    this.#turnsAt = now
    return this.#turns >= 1
  }

  /** When the peer's host may be dialled; not after `now` for at once. */
  notBefore(now: Instant, { endpoint, source }: KnownPeer): Instant {
    const budget = source === 'manual' ? undefined : this.#hosts.get(endpoint.host)
    if (budget === undefined) return now
    const dials = dialsAt(now, budget)
    return dials >= 1 ? now : after(now, Math.ceil((1 - dials) * budget.refill))
  }

  dialled(now: Instant, { endpoint: { host }, source }: KnownPeer): void {
    this.#turns--
    if (source === 'manual') return
    const budget = this.#hosts.get(host) ?? newBudget(now, host)
    budget.dials = dialsAt(now, budget) - 1
    budget.at = now
    this.#hosts.delete(host)
    this.#hosts.set(host, budget)
    if (this.#hosts.size <= LIMITS.dialedHostsMax.value) return
    const [oldest] = this.#hosts.keys()
    this.#hosts.delete(oldest!)
  }

  answered(now: Instant, { host }: { readonly host: string }): void {
    const budget = this.#hosts.get(host)
    if (budget === undefined) return
    budget.dials = Math.min(budget.dialsMax, dialsAt(now, budget) + 1)
    budget.at = now
  }
}

function newBudget(now: Instant, host: string): HostBudget {
  const isOwnMachine = scopeOfHost(host) === 'machine'
  const dialsMax = isOwnMachine ? OWN_MACHINE.dials : LIMITS.dialsPerHostMax.value
  const refill = seconds(isOwnMachine ? OWN_MACHINE.refillSeconds : REFILL_SECONDS)
  return { dialsMax, refill, dials: dialsMax, at: now }
}

function dialsAt(now: Instant, budget: HostBudget): number {
  return Math.min(budget.dialsMax, budget.dials + (now - budget.at) / budget.refill)
}
