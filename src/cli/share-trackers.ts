/**
 * The trackers of `shoal share` where none was named: the tracker of this machine. An address that only this
 * machine understands is of no use to those who get the link or the `.torrent`, so it goes into neither.
 * A tracker that also answers where others reach this machine is announced to there, and named so; one that
 * answers only here, or not yet, is announced to and kept to ourselves.
 */

import { LOCAL_TRACKER, type Settings } from './settings.ts'
import { reachableHost } from './share-link.ts'

export interface ShareTrackers {
  /** For the `.torrent` and the link. */
  readonly named: readonly string[]
  /** Announced to while none of those answers. */
  readonly own: readonly string[]
}

/** A tracker on this machine answers in milliseconds, or is not there. */
const ANSWER_MS = 1000
/** Every bencoded dictionary begins so; trackers answer an announce that lacks everything with one. */
const DICTIONARY_START = 'd'.charCodeAt(0)

/** @param local the announce address of this machine's tracker */
export async function trackersToShare(
  { tracker, useTracker, host }: Pick<Settings, 'tracker' | 'useTracker' | 'host'>,
  local = LOCAL_TRACKER,
): Promise<ShareTrackers> {
  if (!useTracker) return { named: [], own: [] }
  if (tracker.length > 0) return { named: tracker, own: [] }
  const url = new URL(local)
  const outside = reachableHost(host === 'all' ? '0.0.0.0' : host)
  url.hostname = outside.includes(':') ? `[${outside}]` : outside
  if (!(await answersAnnounces(url))) return { named: [], own: [local] }
  // The address of the link may change or be lost while we share; the loopback one stays.
  return { named: [url.href], own: url.href === local ? [] : [local] }
}

/** Never rejects. */
async function answersAnnounces(url: URL): Promise<boolean> {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MS) })
    const reader = response.body?.getReader()
    const first = await reader?.read()
    await reader?.cancel()
    return first?.value?.[0] === DICTIONARY_START
  } catch {
    return false
  }
}
