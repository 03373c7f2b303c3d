/**
 * `shoal payload put STRING|-` and `shoal payload get ID`: a string is given to a tracker, or asked of one or
 * of peers, and from then on this peer holds it. Without any tracker both work from peer to peer.
 */

import { fromHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { chunkDigests, chunkHashes, isPayloadId, PAYLOAD_HASHING, rootHash } from '../catalog/payload.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import type { PeerNode } from '../nodejs/peer-node.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { CounterName } from '../swarm/counters.ts'
import { metainfoOfMagnet } from '../swarm/magnet-torrent.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { countChunks } from '../wire/payload-chunks.ts'
import type { CommandContext } from './command-context.ts'
import { notAPayload, type Payload, payloadOf, readPayload, seedPlan } from './payload-seed.ts'
import { type MagnetPlan, runPeer, type TorrentPlan } from './peer-run.ts'
import { refusal, TrackerClient } from './tracker-client.ts'

interface PayloadOptions {
  readonly dir?: string
  readonly exit?: boolean
  readonly seed?: boolean
  readonly store?: boolean
  readonly hashes?: boolean
}

export async function run(context: CommandContext): Promise<number> {
  const [action, value] = context.args
  if (action === 'put') return put(context, value)
  if (action === 'get' && value !== undefined) return get(context, value.toLowerCase())
  throw new ShoalError(
    'usage/bad-usage',
    action === 'get' ? 'which payload?' : `there is no \`shoal payload ${action}\``,
    'shoal payload put STRING, or shoal payload get ID',
  )
}

async function put(context: CommandContext, value: string | undefined): Promise<number> {
  const { dir = '.', exit = false, store = true } = context.options as PayloadOptions
  const tracker = trackerFor(context)
  const payload = payloadOf(value === undefined || value === '-' ? await readInput() : utf8(value))
  const { id, infoHash } = payload.torrent
  let isKnown = false
  if (tracker !== undefined) {
    const { body } = await tracker.must({
      method: 'POST',
      path: '/payloads',
      body: { payload: payload.text, store },
    })
    if (body.payloadId !== id)
      throw new ShoalError('payload/wrong-id', 'the tracker names another id for this string')
    isKnown = body.status === 'already known'
  }
  context.output.event(
    {
      event: 'payload',
      action: 'put',
      payloadId: id,
      infoHash,
      status: tracker === undefined ? 'not uploaded' : isKnown ? 'already known' : 'stored',
      ...countsOf(payload),
    },
    `payloadId ${id}${isKnown ? ' (already known)' : ''}`,
  )
  const plan = exit ? undefined : seedPlan(payload, dir)
  if (plan !== undefined)
    await hold(context, plan, id, tracker === undefined ? undefined : 'payload_uploaded')
  return 0
}

async function get(context: CommandContext, id: string): Promise<number> {
  if (!isPayloadId(id))
    throw new ShoalError(
      'payload/bad-id',
      'that is no payload id',
      'It has 64 hex digits, as `shoal payload put` prints them.',
    )
  const { dir = '.', exit = false, seed = true } = context.options as PayloadOptions
  const ends = exit || !seed
  const tracker = trackerFor(context)
  const record = tracker && (await askTracker(tracker, id))
  if (typeof record?.payload === 'string') {
    const payload = payloadOf(utf8(record.payload))
    if (payload.torrent.id !== id && payload.torrent.infoHash !== id)
      throw new ShoalError(
        'payload/forged',
        'the string that the tracker gave does not have this id',
        'Do not trust this tracker; ask another, or peers: --no-tracker --peer HOST:PORT.',
      )
    tell(context, payload)
    const plan = ends ? undefined : seedPlan(payload, dir)
    if (plan !== undefined) await hold(context, plan, payload.torrent.id, 'payload_queried')
    return 0
  }
  const infoHash = typeof record?.infoHash === 'string' ? record.infoHash : undefined
  const payloadId = typeof record?.payloadId === 'string' ? record.payloadId : id
  await fetchFromPeers(context, payloadId, infoHash, dir, ends)
  return 0
}

async function askTracker(tracker: TrackerClient, id: string): Promise<Readonly<Record<string, unknown>>> {
  const reply = await tracker.ask({ method: 'GET', path: `/payloads/${id}?hashes=false` })
  if (reply.status === 200) return reply.body
  if (reply.status === 404)
    throw new ShoalError(
      'payload/unknown',
      'the tracker knows no payload with this id',
      'Check the id; or ask a peer that has it: --no-tracker --peer HOST:PORT.',
    )
  throw refusal(reply)
}

/** As a torrent of which only the infohash is known. */
async function fetchFromPeers(
  context: CommandContext,
  id: string,
  infoHash: string | undefined,
  dir: string,
  ends: boolean,
): Promise<void> {
  const magnet = metainfoOfMagnet({
    infoHashV1: infoHash === undefined ? (id.length === 40 ? fromHex(id)! : null) : fromHex(infoHash)!,
    infoHashV2: id.length === 64 ? fromHex(id)! : null,
    trackers: [],
    webSeeds: [],
    exactSources: [],
    peers: [],
    selectOnly: [],
  })
  let fetched: Metainfo | undefined
  const plan: MagnetPlan = {
    magnet: { metainfo: magnet, peers: [] },
    dir,
    plan: (metainfo): TorrentPlan => {
      const isSmall = metainfo.isSingleFile && metainfo.contentLength <= LIMITS.payloadBytesMax.value
      if (!isSmall) throw notAPayload(id)
      fetched = metainfo
      return { metainfo, dir, role: 'download' }
    },
  }
  let isTold = false
  await runPeer(context, {
    torrents: [plan],
    endsWhenComplete: ends,
    onStarted: (node) => void node.counters.count('payload_queried'),
    onEvent: ({ event }) => {
      if (event !== 'complete' || isTold || fetched === undefined) return
      isTold = true
      const payload = readPayload(fetched, dir, id)
      tell(context, payload)
      if (!ends) context.output.event({ event: 'holding', payloadId: payload.torrent.id })
    },
  })
}

/** Seeds it until told to stop. */
async function hold(
  context: CommandContext,
  plan: TorrentPlan,
  payloadId: string,
  counted: CounterName | undefined,
): Promise<void> {
  await runPeer(context, {
    torrents: [plan],
    endsWhenComplete: false,
    onStarted: (node: PeerNode) => {
      if (counted !== undefined) node.counters.count(counted)
      context.output.event({ event: 'holding', payloadId })
    },
  })
}

function tell({ output, options }: CommandContext, payload: Payload): void {
  const { hashes = false } = options as PayloadOptions
  const digests = chunkDigests(payload.bytes, nodeCrypto)
  const root = rootHash(digests, nodeCrypto)
  const chunks = hashes ? chunkHashes(digests) : undefined
  output.event(
    {
      event: 'payload',
      action: 'get',
      payloadId: payload.torrent.id,
      infoHash: payload.torrent.infoHash,
      valid: true,
      payload: payload.text,
      ...countsOf(payload),
      ...PAYLOAD_HASHING,
      rootHash: root,
      ...(chunks && { chunks }),
    },
    payload.text,
  )
  if (chunks === undefined) return
  output.text(`rootHash ${root} (${PAYLOAD_HASHING.hash} of ${chunks.length} chunks)`)
  output.table(
    [{ title: 'position', align: 'right' }, { title: PAYLOAD_HASHING.hash }],
    chunks.map((hash, position) => [position, hash]),
  )
}

function countsOf({ bytes }: Payload): { readonly bytes: number; readonly chunkCount: number } {
  return { bytes: bytes.length, chunkCount: countChunks(bytes) }
}

/** W44: what needs a tracker says so at once, unless it was switched off, or a peer was named to ask. */
function trackerFor({ settings }: CommandContext): TrackerClient | undefined {
  const tracker = TrackerClient.of(settings)
  if (tracker === undefined && settings.useTracker && settings.peer.length === 0)
    throw new ShoalError(
      'tracker/none-registered',
      'No tracker is registered yet',
      'Name one with --tracker http://HOST:PORT, or go without: --no-tracker.',
    )
  return tracker
}

async function readInput(): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of process.stdin as AsyncIterable<Uint8Array>) {
    parts.push(part)
    length += part.length
    // One byte too many is enough to know.
    if (length > LIMITS.payloadBytesMax.value) break
  }
  return Buffer.concat(parts)
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
