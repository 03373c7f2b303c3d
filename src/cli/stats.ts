/** `shoal stats`: counters of a peer, asked over its peer port, or of a tracker, asked over HTTP. */
import { askPeer } from '../nodejs/service-client.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { COUNTER_NAMES, COUNTERS, type CounterName } from '../swarm/counters.ts'
import { decodeStatsReply, encodeStatsQuery, STATS_EXTENSION } from '../wire/stats-messages.ts'
import { closest } from './closest-word.ts'
import type { CommandContext } from './command-context.ts'
import { peerNamed } from './peer-address.ts'
import { LOCAL_TRACKER } from './settings.ts'
import { TrackerClient } from './tracker-client.ts'

interface StatsOptions {
  readonly type?: readonly string[]
  readonly allIds?: boolean
  readonly prometheus?: boolean
}

interface Statistics {
  /** Fields of the event beside the counters. */
  readonly about: Readonly<Record<string, unknown>>
  readonly counters: ReadonlyMap<string, number>
  /** Of the metric names: `shoal_peer_`. */
  readonly prefix: string
}

export async function run(context: CommandContext): Promise<number> {
  const { args, options, output } = context
  const { type: types, prometheus = false } = options as StatsOptions
  const [target] = args
  const isPeer = target !== undefined && !/^https?:\/\//i.test(target)
  if (isPeer) for (const type of types ?? []) refuseUnknown(type, COUNTER_NAMES)
  const { about, counters, prefix } = isPeer
    ? await ofPeer(context, target)
    : await ofTracker(context, target)
  if (!isPeer) for (const type of types ?? []) refuseUnknown(type, [...counters.keys()])
  const wanted = [...counters].filter(([name]) => types === undefined || types.includes(name))
  if (prometheus && !output.isJson) output.text(...prometheusLines(prefix, wanted))
  else output.table([{ title: 'counter' }, { title: 'count', align: 'right' }], wanted)
  output.event({ event: 'stats', ...about, counters: Object.fromEntries(wanted) }, '')
  return 0
}

async function ofPeer({ settings, options }: CommandContext, target: string): Promise<Statistics> {
  const { allIds = false } = options as StatsOptions
  const { body, peerId } = await askPeer(
    await peerNamed(target),
    { extension: STATS_EXTENSION, body: encodeStatsQuery({ allIds }) },
    {
      timeoutMs: settings.handshakeTimeout,
      localAddress: settings.host === 'all' ? undefined : settings.host,
      encryption: settings.encryption,
    },
  )
  const reply = decodeStatsReply(body)
  if (!reply.ok) throw ShoalError.from(reply.error)
  const { ids, counters } = reply.value
  // In the order of the table here; what a newer peer counts besides comes last.
  const known = COUNTER_NAMES.filter((name) => counters.has(name))
  const ordered = new Map([...known.map((name) => [name, counters.get(name)!] as const), ...counters])
  return { about: { peer: target, peerId, ids }, counters: ordered, prefix: 'shoal_peer_' }
}

async function ofTracker({ settings }: CommandContext, target: string | undefined): Promise<Statistics> {
  const url = target ?? settings.tracker.find((named) => /^https?:/.test(named)) ?? LOCAL_TRACKER
  const tracker = new TrackerClient(url, settings.trackerTimeout)
  const { body } = await tracker.must({ method: 'GET', path: '/stats' })
  const counters = Object.entries(body).filter((entry): entry is [string, number] =>
    Number.isFinite(entry[1]),
  )
  return { about: { tracker: tracker.origin }, counters: new Map(counters), prefix: 'shoal_tracker_' }
}

function refuseUnknown(type: string, names: readonly string[]): void {
  if (names.includes(type)) return
  const guess = closest(type, names)
  throw new ShoalError(
    'usage/unknown-counter',
    `there is no counter ${type}`,
    guess === undefined ? `Those there are: ${names.join(', ')}` : `Did you mean ${guess}?`,
  )
}

/** Text format of Prometheus, for its node exporter to pick up from a file. */
function prometheusLines(prefix: string, counters: readonly (readonly [string, number])[]): string[] {
  return counters.flatMap(([name, count]) => {
    const metric = `${prefix}${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
    const help = COUNTERS[name as CounterName]
    return [
      ...(help === undefined ? [] : [`# HELP ${metric} ${help}`]),
      `# TYPE ${metric} ${prefix === 'shoal_peer_' ? 'counter' : 'untyped'}`,
      `${metric} ${count}`,
    ]
  })
}
