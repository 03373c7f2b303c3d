/** What the console words `status` and `peers` show: the state of each torrent, and one row for each peer. */
import type { NodeStatus } from '../nodejs/peer-node.ts'
import type { PeerStatus, TorrentStatus, WebSeedStatus } from '../swarm/torrent-status.ts'
import { formatRangeList } from './event-text.ts'
import type { Output } from './output.ts'
import { formatPercent } from './progress-renderer.ts'
import type { Settings } from './settings.ts'
import type { Column } from './text-table.ts'
import { exactDuration, exactRate, formatBytes, formatCount, formatRate } from './units.ts'

type Limits = Pick<Settings, 'uploadLimit' | 'downloadLimit' | 'uploadDelay' | 'oneAtATime'>

/** @param node name of the peer where one program runs several */
export function showStatus(status: NodeStatus, limits: Limits, output: Output, node?: string): void {
  if (output.isJson) return output.event({ event: 'status', node, limits: plainLimits(limits), ...status })
  for (const torrent of status.torrents) output.text(...torrentLines(torrent, limits, node))
}

function torrentLines(torrent: TorrentStatus, limits: Limits, node: string | undefined): string[] {
  const { pieces, piecesHave, missing, availability, peers, total } = torrent
  if (torrent.phase === 'metadata')
    return [`${torrent.name}: asking ${formatCount(peers.length, 'peer')} for the metadata`]
  const isComplete = torrent.bytes === total
  const isSeedOnly = torrent.role === 'seed-only'
  const activity = isSeedOnly ? 'serving what is there' : 'downloading'
  const state = isComplete ? 'complete, seeding' : torrent.phase === 'active' ? activity : torrent.phase
  const percent = formatPercent(total === 0 ? 1 : torrent.bytes / total)
  const subject = node === undefined ? torrent.name : `${node} ${torrent.name}`
  const lines = [
    `${subject}: ${state}${isSeedOnly ? ', seed-only' : ''}, ${percent} of ${formatBytes(total)}, ${piecesHave}/${pieces} pieces`,
    `  down ${formatRate(torrent.downloadRate)}${limitText(limits.downloadLimit)}, up ${formatRate(torrent.uploadRate)}${limitText(limits.uploadLimit)}${delayText(limits.uploadDelay)}, ${formatCount(peers.length, 'peer')}${limits.oneAtATime ? ' (one at a time)' : ''}`,
  ]
  const known = Object.entries(torrent.knownPeers).map(([source, count]) => `${count} ${source}`)
  if (known.length > 0) lines.push(`  peers: ${known.join(', ')}`)
  for (const { url, state, downloadRate, fault } of torrent.webSeeds) {
    const why = fault === undefined ? '' : ` (${fault.message})`
    lines.push(`  web seed ${url}: ${state === 'active' ? `down ${formatRate(downloadRate)}` : state + why}`)
  }
  if (isComplete) return lines
  const inFlightMax = Number.isFinite(torrent.piecesInFlightMax) ? `/${torrent.piecesInFlightMax}` : ''
  const { piecesInFlight, picker } = torrent
  lines.push(`  missing: ${formatRangeList(missing)}`)
  lines.push(
    `  availability of what is missing: min ${availability.min}, mean ${availability.mean.toFixed(1)}`,
  )
  lines.push(`  ${piecesInFlight}${inFlightMax} pieces in flight, picker ${picker}`)
  return lines
}

function limitText(limit: number | 'off'): string {
  return limit === 'off' ? '' : ` (limit ${exactRate(limit)})`
}

function delayText(delay: number | 'off'): string {
  return delay === 'off' ? '' : ` (delay ${exactDuration(delay)} a block)`
}

/** Bytes per second and seconds; null for none. */
function plainLimits({ uploadLimit, downloadLimit, uploadDelay, oneAtATime }: Limits) {
  return {
    uploadLimit: uploadLimit === 'off' ? null : uploadLimit,
    downloadLimit: downloadLimit === 'off' ? null : downloadLimit,
    uploadDelay: uploadDelay === 'off' ? null : uploadDelay / 1000,
    oneAtATime,
  }
}

export function showPeers(status: NodeStatus, output: Output, node?: string): void {
  for (const torrent of status.torrents) {
    const { name, infoHash } = torrent
    for (const peer of torrent.peers) output.event({ event: 'peer', node, infoHash, name, ...peer }, '')
    if (status.torrents.length > 1 || node !== undefined)
      output.text(`${[node, name].filter(Boolean).join(' ')}:`)
    for (const seed of torrent.webSeeds)
      output.event({ event: 'web-seed', node, infoHash, name, ...seed }, '')
    const rows = [
      ...torrent.peers.map((peer) => peerRow(peer, torrent.pieces)),
      ...torrent.webSeeds.map((seed) => webSeedRow(seed, torrent.pieces)),
    ]
    if (rows.length === 0) output.text('no peers')
    else output.table(PEER_COLUMNS, rows)
  }
}

const PEER_COLUMNS: readonly Column[] = [
  { title: 'peer' },
  { title: 'client', isFlexible: true, isOptional: true },
  { title: 'found by', isOptional: true },
  { title: 'has', align: 'right' },
  { title: 'down', align: 'right' },
  { title: 'up', align: 'right', isOptional: true },
  { title: 'pieces from', align: 'right', isOptional: true },
  { title: 'in flight', align: 'right', isOptional: true },
  { title: 'flags', isOptional: true },
]

function peerRow(peer: PeerStatus, pieceCount: number): (string | number)[] {
  return [
    peer.address,
    peer.client || peer.peerId.slice(0, 8),
    peer.source,
    pieceCount === 0 ? '-' : formatPercent(peer.pieces / pieceCount),
    formatBytes(peer.downloaded),
    formatBytes(peer.uploaded),
    peer.piecesFrom,
    `${formatCount(peer.piecesInFlight, 'piece')}`,
    flagsText(peer),
  ]
}

function webSeedRow(seed: WebSeedStatus, pieceCount: number): (string | number)[] {
  return [
    seed.url,
    'web seed',
    'torrent',
    pieceCount === 0 ? '-' : formatPercent(seed.pieces / pieceCount),
    formatBytes(seed.downloaded),
    '-',
    seed.piecesFrom,
    formatCount(seed.requestsInFlight, 'request'),
    seed.fault === undefined ? seed.state : `${seed.state}: ${seed.fault.message}`,
  ]
}

/** Words, where other clients use letters. */
function flagsText(peer: PeerStatus): string {
  const flags = [
    peer.amInterested && (peer.peerChoking ? 'choking us' : 'serving us'),
    peer.peerInterested && (peer.amChoking ? 'interested' : 'served'),
    peer.isSnubbed && 'snubbed',
  ]
  return flags.filter(Boolean).join(', ') || 'idle'
}
