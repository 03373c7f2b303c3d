/** What sources may do with a tracker, and how often (`source-budgets.ts`). */
import { LIMITS } from '../base/limits.ts'
import { MICROSECONDS_PER_SECOND, seconds } from '../base/time.ts'
import type { SourceBudget } from './source-budgets.ts'

const HOUR = seconds(3600)
/** Bytes of an IPv6 address that a customer may have all of, where a budget is large. */
const V6_SITE_LENGTH = 6
/** Reports at once. */
const REPORTS_MAX = 20
/** One more wrong secret is forgiven after so long. */
const FORGIVEN_SECONDS = 6

/** As the operator set it; undefined = a default of ours, which this machine is exempt from. */
type Rate = number | 'off' | undefined

/** Announces and scrapes (S25), a second's worth at once. */
export function requestBudget(perSecond: Rate): SourceBudget {
  return budgetOf(perSecond, LIMITS.trackerRequestsPerSourceMax.value, MICROSECONDS_PER_SECOND, 0x1_0000)
}

/**
 * Libraries, `.torrent` files, payload strings, invites (S32), an hour's worth at once. Publisher keys cost
 * nothing, so quotas for each of them bound nobody; addresses do.
 */
export function publishBudget(perHour: Rate): SourceBudget {
  return budgetOf(perHour, LIMITS.publicationsPerSourceMax.value, HOUR, 0x4000)
}

/** Peers that come anew to a tracker whose tables have no bound of their own (S25). */
export function joinBudget(perHour: number): SourceBudget {
  const budget = budgetOf(undefined, perHour, HOUR, 0x4000)
  return { ...budget, v6PrefixLength: V6_SITE_LENGTH }
}

/** Reports of peers that do not answer (D14). */
export const REPORT_BUDGET: SourceBudget = {
  burst: REPORTS_MAX,
  interval: MICROSECONDS_PER_SECOND / LIMITS.trackerReportersPerSecondMax.value,
  places: 0x1000,
  limitsLoopback: true,
}

/** Wrong passkeys and invites (S43): each uses a unit, being right costs nothing. */
export const WRONG_SECRET_BUDGET: SourceBudget = {
  burst: LIMITS.wrongSecretsMax.value,
  interval: seconds(FORGIVEN_SECONDS),
  places: 0x4000,
  limitsLoopback: true,
}

function budgetOf(rate: Rate, byDefault: number, period: number, places: number): SourceBudget {
  const burst = rate === 'off' ? Number.POSITIVE_INFINITY : (rate ?? byDefault)
  return { burst, interval: period / burst, places, limitsLoopback: rate !== undefined }
}
