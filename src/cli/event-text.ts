/**
 * Events as sentences. An event has at most two readings: the sentence everybody sees, and the line of a log
 * category (`tracker`, `serve`, `fetch`) that `--verbose` asks for. Most events have one of them.
 * Tracks what has been said, so that a tracker that is asked every minute is reported
 * once, and again when that changes.
 */
import type { DisconnectReason } from '../swarm/events.ts'
import { parseEndpoint } from '../wire/endpoint.ts'
import type { EventContext, KnownEvent, ShoalEvent } from './events.ts'
import type { LogCategory } from './setting-kinds.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from './units.ts'

export interface EventText {
  /** For everybody; undefined when the event needs no words. */
  readonly sentence?: string | undefined
  /** True for results, which `--quiet` leaves standing. */
  readonly isResult?: boolean
  /** True when the sentence stands alone, without saying which peer or torrent it is about. */
  readonly isWhole?: boolean
  readonly log?: LogLine | undefined
}

export interface LogLine {
  readonly category: LogCategory
  readonly level: 1 | 2
  readonly message: string
}

type EventName = KnownEvent['event']
type EventOf<N extends EventName> = Extract<KnownEvent, { event: N }>
type Writers = { readonly [N in EventName]: (event: EventOf<N>, said: Said) => EventText }

export class EventWriter {
  /** Set where one program runs several torrents, so that each sentence says which. */
  namesTorrents = false
  readonly #said = new Said()

  write(event: ShoalEvent): EventText {
    if (!Object.hasOwn(WRITERS, event.event)) return { sentence: plainSentence(event) }
    const writer = WRITERS[event.event as EventName] as (event: ShoalEvent, said: Said) => EventText
    const text = writer(event, this.#said)
    const { node, name } = event as EventContext
    const subject = text.isWhole
      ? ''
      : [node, this.namesTorrents ? name : undefined].filter(Boolean).join(' ')
    return subject && text.sentence ? { ...text, sentence: `${subject}: ${text.sentence}` } : text
  }
}

/**
 * What was last said about what. Bounded by the trackers and connected peers of the torrents of this process.
 */
class Said {
  readonly #last = new Map<string, string>()

  /** True when this is news. */
  isNews(about: string, what: string): boolean {
    if (this.#last.get(about) === what) return false
    this.#last.set(about, what)
    return true
  }

  /** What had been said about it; from now on it is news again. */
  take(about: string): string | undefined {
    const what = this.#last.get(about)
    this.#last.delete(about)
    return what
  }
}

const WRITERS: Writers = {
  // A program begins and ends.
  listening: (e) => ({ sentence: `listening ${listeningAddress(e.service, e.host, e.port)}` }),
  launched: (e) => ({
    sentence: `${e.dir} ${e.address} ${e.peerId}${e.role === 'seed-only' ? ' role=seed-only' : ''}`,
    isResult: true,
    isWhole: true,
  }),
  warning: (e) => ({ sentence: `warning: ${e.message}` }),
  draining: (e) => ({ sentence: `draining ${formatCount(e.uploads, 'upload')}` }),
  'lan-unavailable': (e) => ({ log: fetch(2, `no discovery in the local network: ${e.message}`) }),
  'store-lost': (e) => ({ sentence: `Redis is away: ${e.message}; announces are refused until it is back` }),
  'store-regained': () => ({ sentence: 'Redis is back' }),
  stopped: () => ({ sentence: 'stopped' }),
  bye: () => ({ sentence: 'bye' }),

  // What is on disk.
  checked: (e) => ({ sentence: `checked ${e.pieces}/${e.total} pieces ok` }),
  // The check passes whole or not at all.
  verified: (e) => ({
    sentence: `verified: ${e.pieces}/${e.pieces} pieces, files ${e.files}/${e.files}`,
    isResult: true,
  }),
  compromised: (e) => ({
    sentence: `compromised: ${formatCount(e.pieces.length, 'piece')} wrong on disk (${formatRanges(e.pieces)})`,
    isResult: true,
  }),

  // Trackers.
  announced: (e, said) => ({
    sentence: joined(
      said.isNews(trackerOf(e), 'ok') && `announced, ${formatCount(e.peers, 'peer')}`,
      e.externalIp && said.isNews('my address', e.externalIp) && `my address is ${e.externalIp}`,
    ),
    log: tracker(
      1,
      `announced to ${e.tracker}: ${formatCount(e.peers, 'peer')}, again in ${formatDuration(e.interval)}`,
    ),
  }),
  'announce-failed': (e, said) => ({
    sentence: said.isNews(trackerOf(e), e.code) ? `tracker ${e.tracker}: ${e.message}` : undefined,
    log: tracker(1, `announce to ${e.tracker} failed: ${e.message}`),
  }),
  'no-peers-left': () => ({ sentence: 'no peers left, re-announcing' }),
  reported: (e) => ({ sentence: `reported ${e.address} unreachable` }),
  registered: (e) => ({ log: tracker(1, `registered ${e.pieces}/${e.total} pieces at ${e.tracker}`) }),
  'locations-refreshed': (e, said) => {
    const message = `locations refreshed, ${formatCount(e.sources, 'source')}`
    return said.isNews(`sources ${trackerOf(e)}`, message)
      ? { sentence: message }
      : { log: tracker(1, message) }
  },
  deregistered: (e) => ({ sentence: 'deregistered', log: tracker(1, `deregistered at ${e.tracker}`) }),

  // Who is there, as our tracker finds out.
  heartbeat: (e) => ({
    log: tracker(1, `heartbeat ${e.address} ${e.result}${e.result === 'ok' ? ` ${e.milliseconds}ms` : ''}`),
  }),
  probe: (e) => ({ log: tracker(1, `probe (reported) ${e.address}`) }),
  removed: (e) => ({ sentence: `removed ${e.address} reason=${e.reason}` }),
  kept: (e) => ({ sentence: `kept ${e.address}` }),

  // Peers. A dial that leads nowhere is everyday life in a swarm; only peers that were there are missed.
  connecting: (e) => ({ log: fetch(1, `connecting to ${e.address}`) }),
  'handshake-ok': (e) => ({ log: fetch(1, `handshake-ok ${e.address} ${e.peerId}`) }),
  'peer-connected': (e, said) => {
    said.isNews(`peer ${e.node} ${e.address}`, 'connected')
    return { sentence: `+peer ${e.address} ${[e.peerId.slice(0, 8), e.client].join(' ').trim()}` }
  },
  'peer-disconnected': (e, said) => {
    const message = `-peer ${e.address} ${DISCONNECTS[e.reason]}`
    const wasThere = said.take(`peer ${e.node} ${e.address}`) !== undefined
    return wasThere && !EVERYDAY.has(e.reason) ? { sentence: message } : { log: fetch(1, message) }
  },
  'session-start': (e) => ({ log: serve(1, `session with ${e.address} begins`) }),
  'session-end': (e) => ({ log: serve(1, `session with ${e.address} ends`) }),
  'peer-waiting': (e) => ({ sentence: `busy with ${hostOf(e.busyWith)}, ${e.waiting} waiting` }),
  'peer-next': (e) => ({ sentence: `next: ${hostOf(e.address)}` }),
  'peer-banned': (e) => ({ sentence: `banned ${e.address}, it sent wrong data` }),
  'protocol-error': (e) => ({ log: fetch(1, `${e.address} broke the protocol: ${e.message}`) }),
  'claims-answered': (e) => ({
    log: serve(
      1,
      `${e.address} asked about ${formatCount(e.claims, 'chunk')} of ${e.payloadId}: ${e.answer}`,
    ),
  }),
  'stats-asked': (e) => ({
    log: serve(1, `${e.address} asked for the counters${e.isAnswered ? '' : ', in vain'}`),
  }),

  // Web seeds.
  'web-seed-lacks': (e) => ({ log: fetch(1, `web seed ${e.url} lacks file ${e.file}: ${e.message}`) }),
  'web-seed-waits': (e, said) => ({
    sentence: said.isNews(`web seed ${e.url}`, e.code) ? `web seed ${e.url}: ${e.message}` : undefined,
    log: fetch(1, `web seed ${e.url}: ${e.message}, again in ${formatDuration(e.seconds)}`),
  }),
  'web-seed-dropped': (e) => ({ sentence: `web seed ${e.url} is not used any more: ${e.message}` }),

  // Pieces.
  metadata: (e) => ({ sentence: `metadata received: ${e.name}` }),
  'metadata-failed': (e) => ({ sentence: `metadata from ${e.from.join(', ')} is wrong, retry` }),
  'piece-verified': (e) => ({ log: fetch(1, `piece ${e.piece} <- ${e.from}`) }),
  'piece-served': (e) => ({ log: serve(1, `piece ${e.piece} ->`) }),
  'block-served': (e) => ({ log: serve(2, `block ${e.piece}:${e.begin} ${e.length} B ->`) }),
  'block-requested': (e) => ({
    log: fetch(2, `request ${e.piece}:${e.begin} ${e.length} B -> ${e.address ?? 'a peer'}`),
  }),
  'piece-received': (e) => ({ log: fetch(2, `piece ${e.piece} is whole, checking`) }),
  'piece-failed': (e) => ({ sentence: `piece ${e.piece} failed from ${e.from}, retry` }),
  'piece-unreadable': (e) => ({ sentence: `piece ${e.piece} cannot be read any more: ${e.message}` }),
  progress: () => ({}),

  // Milestones.
  downloaded: (e) => ({
    sentence: `downloaded ${formatBytes(e.bytes)} in ${formatDuration(e.seconds)}, ${formatRate(e.bytes / Math.max(e.seconds, 0.001))}`,
  }),
  complete: (e, said) => {
    const rate = formatRate(e.bytes / Math.max(e.seconds, 0.001))
    const what = `complete, ${formatBytes(e.bytes)} in ${formatDuration(e.seconds)} (${rate})`
    const sentence = e.bytes === 0 ? 'already complete' : what
    said.isNews(`torrent ${e.node} ${e.infoHash}`, sentence)
    return { sentence, isResult: true }
  },
  seeding: (e, said) => {
    const complete = said.take(`torrent ${e.node} ${e.infoHash}`)
    return complete === undefined
      ? { sentence: 'seeding' }
      : { sentence: `${complete}, seeding`, isResult: true }
  },
  paused: (e) => ({ sentence: `paused: ${e.reason}` }),
  resumed: () => ({ sentence: 'resumed' }),

  // Torrents made and links given.
  created: (e) => ({
    sentence: `created ${e.file ?? e.name} infohash=${e.infoHash ?? e.infoHashV2} ${formatCount(e.files, 'file')} ${formatCount(e.pieces, 'piece')} of ${e.pieceLength} B`,
    isResult: true,
  }),
  request: (e) => ({ log: tracker(1, `${e.address} ${e.method} ${e.path} ${e.status ?? ''}`.trim()) }),
  published: (e) => ({
    sentence: e.ok ? undefined : `${e.name} refused by ${e.tracker} (${e.message})`,
    log: tracker(1, e.ok ? `${e.name} is number ${e.number} at ${e.tracker}` : `${e.name} refused`),
  }),
  listed: (e) => ({
    sentence: `registered ${e.count === e.of ? '' : `${e.count} of `}${formatCount(e.of, 'library', 'libraries')} at ${e.tracker}`,
    isWhole: true,
  }),
  source: () => ({}),
  holding: (e) => ({ sentence: `holding ${e.payloadId}`, isResult: true, isWhole: true }),
  'share-link': (e) => ({ sentence: e.link, isResult: true, isWhole: true }),
  refused: (e) => ({ sentence: `${e.path} refused (${e.message})`, isResult: true }),
}

/** Why a peer has gone, for people. */
const DISCONNECTS: Readonly<Record<DisconnectReason, string>> = {
  done: 'done',
  stopped: 'we stopped',
  refused: 'refused the connection',
  unreachable: 'cannot be reached',
  'connect-timeout': 'did not answer',
  'handshake-timeout': 'did not introduce itself in time',
  'idle-timeout': 'was silent too long',
  'remote-closed': 'left',
  'connection-reset': 'connection lost',
  'not-bittorrent': 'does not speak BitTorrent',
  'not-encrypted': 'does not encrypt as required',
  'unknown-torrent': 'asked for a torrent we do not have',
  'wrong-torrent': 'has another torrent',
  'self-connection': 'is this program itself',
  'duplicate-peer': 'is connected already',
  'too-many-peers': 'had to go: too many peers',
  banned: 'banned',
  'stopped-reading': 'stopped reading',
  'protocol-error': 'broke the protocol',
  'both-seeds': 'has everything, as we do',
  busy: 'has to wait, another was faster',
  stalled: 'let us wait while others waited for it',
  'turn-over': 'has had its turn',
  'wait-timeout': 'waited too long',
}
/** Nothing anybody has to know of. */
const EVERYDAY: ReadonlySet<DisconnectReason> = new Set(['both-seeds', 'duplicate-peer', 'self-connection'])

function tracker(level: 1 | 2, message: string): LogLine {
  return { category: 'tracker', level, message }
}

function serve(level: 1 | 2, message: string): LogLine {
  return { category: 'serve', level, message }
}

function fetch(level: 1 | 2, message: string): LogLine {
  return { category: 'fetch', level, message }
}

/** Without the port, which an incoming connection has by chance. */
function hostOf(address: string): string {
  return parseEndpoint(address)?.host ?? address
}

function trackerOf(e: EventContext & { readonly tracker: string }): string {
  return `tracker ${e.node} ${e.infoHash} ${e.tracker}`
}

/** Trackers are shown as the address that announces go to. */
function listeningAddress(service: string, host: string, port: number): string {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  if (service === 'http' || service === 'tracker') return `http://${address}`
  if (service === 'udp') return `udp://${address}`
  return host === '::' || host === '0.0.0.0' ? `on port ${port}, all addresses` : `on ${address}`
}

function joined(...parts: readonly (string | false | undefined)[]): string | undefined {
  return parts.filter(Boolean).join(', ') || undefined
}

/** An event nobody wrote a sentence for: its name and its plain fields. */
function plainSentence(event: ShoalEvent): string {
  const fields = Object.entries(event).filter(
    ([key, value]) => key !== 'event' && value != null && typeof value !== 'object',
  )
  return [event.event, ...fields.map(([key, value]) => `${key}=${value}`)].join(' ')
}

/** `3, 7-9, 12`; of a long list the beginning and how many more. */
export function formatRanges(indexes: readonly number[]): string {
  const ranges: [first: number, last: number][] = []
  for (const index of indexes) {
    const last = ranges.at(-1)
    if (last && index === last[1] + 1) last[1] = index
    else ranges.push([index, index])
  }
  return formatRangeList(ranges)
}

/** The same of ranges, first and last included. */
export function formatRangeList(
  ranges: readonly (readonly [first: number, last: number])[],
  rangesMax = 12,
): string {
  const shown = ranges
    .slice(0, rangesMax)
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
  const left = ranges.slice(rangesMax).reduce((sum, [first, last]) => sum + last - first + 1, 0)
  return left > 0 ? `${shown.join(', ')} and ${left} more` : shown.join(', ')
}
