import { expect, test } from 'vitest'
import type { NodeStatus } from '../nodejs/peer-node.ts'
import { Output } from './output.ts'
import { showPeers, showStatus } from './status-text.ts'

const peer: NodeStatus['torrents'][number]['peers'][number] = {
  address: '127.0.0.3:6881',
  peerId: '-TR4060-abcdefghijkl',
  client: 'Transmission 4.0.6',
  direction: 'out',
  source: 'tracker',
  pieces: 9,
  pieceRanges: [[0, 8]],
  downloaded: 1_500_000,
  uploaded: 0,
  downloadRate: 3_000_000,
  uploadRate: 0,
  piecesFrom: 6,
  piecesInFlight: 1,
  requestsInFlight: 16,
  amInterested: true,
  amChoking: true,
  peerInterested: false,
  peerChoking: false,
  isSnubbed: false,
}

const status: NodeStatus = {
  address: { host: '127.0.0.1', port: 6881 },
  peerId: '-SH0100-abcdefghijkl',
  torrents: [
    {
      infoHash: 'ab'.repeat(20),
      name: 'memes',
      role: 'download',
      phase: 'active',
      picker: 'rarest',
      pieces: 18,
      piecesHave: 12,
      missing: [
        [3, 3],
        [7, 11],
      ],
      availability: { min: 1, mean: 2.5 },
      piecesInFlight: 4,
      piecesInFlightMax: 50,
      bytes: 3_000_000,
      total: 4_600_000,
      downloaded: 0,
      uploaded: 0,
      downloadRate: 3_100_000,
      uploadRate: 0,
      peers: [peer],
      webSeeds: [],
      knownPeers: { tracker: 5, pex: 6 },
    },
  ],
}

const OFF = { uploadLimit: 'off', downloadLimit: 'off', uploadDelay: 'off', oneAtATime: false } as const

function shown(show: (output: Output) => void, json = false): string {
  let text = ''
  const stream = { write: (more: string) => (text += more) }
  const verbose = { tracker: 0, serve: 0, fetch: 0 }
  show(new Output({ json, quiet: false, verbose, stdout: stream, stderr: stream, environment: {} }))
  return text
}

test('status of a download', () => {
  expect(
    shown((output) => showStatus(status, { ...OFF, uploadLimit: 1_000_000 }, output)),
  ).toMatchInlineSnapshot(`
    "memes: downloading, 65% of 4.6 MB, 12/18 pieces
      down 3.1 MB/s, up 0 B/s (limit 1MB/s), 1 peer
      peers: 5 tracker, 6 pex
      missing: 3, 7-11
      availability of what is missing: min 1, mean 2.5
      4/50 pieces in flight, picker rarest
    "
  `)
})

test('status shows every limit there is', () => {
  const limits = { uploadLimit: 2048, downloadLimit: 1_000_000, uploadDelay: 1500, oneAtATime: true } as const
  expect(shown((output) => showStatus(status, limits, output)).split('\n')[1]).toBe(
    '  down 3.1 MB/s (limit 1MB/s), up 0 B/s (limit 2KiB/s) (delay 1500ms a block), 1 peer (one at a time)',
  )
})

test('status of a complete torrent says nothing of what is missing', () => {
  const torrent = { ...status.torrents[0]!, bytes: 4_600_000, missing: [], peers: [] }
  const complete = { ...status, torrents: [torrent] }
  const text = shown((output) => showStatus(complete, OFF, output, 'D2'))
  expect(text).toMatch(/^D2 memes: complete, seeding, 100% of 4.6 MB/)
  expect(text).not.toContain('missing')
})

test('one row for each peer', () => {
  expect(shown((output) => showPeers(status, output))).toMatchInlineSnapshot(`
    "peer            client              found by  has    down   up  pieces from  in flight  flags
    127.0.0.3:6881  Transmission 4.0.6  tracker   50%  1.5 MB  0 B            6    1 piece  serving us
    "
  `)
  expect(shown((output) => showPeers({ ...status, torrents: [] }, output))).toBe('')
})

test('web seeds stand among the peers, with what is wrong with them', () => {
  const seed = {
    url: 'http://w/mirror/',
    state: 'waiting',
    fault: { code: 'web-seed/busy', message: 'it answers with HTTP status 503' },
    requestsInFlight: 0,
    downloaded: 1_000_000,
    downloadRate: 0,
    piecesFrom: 4,
    pieces: 9,
  } as const
  const torrent = { ...status.torrents[0]!, webSeeds: [seed] }
  const withSeed = { ...status, torrents: [torrent] }
  expect(shown((output) => showPeers(withSeed, output))).toMatchInlineSnapshot(`
    "peer              client              found by  has    down   up  pieces from   in flight  flags
    127.0.0.3:6881    Transmission 4.0.6  tracker   50%  1.5 MB  0 B            6     1 piece  serving us
    http://w/mirror/  web seed            torrent   50%  1.0 MB    -            4  0 requests  waiting: it answers with HTTP status 503
    "
  `)
  expect(shown((output) => showStatus(withSeed, OFF, output))).toContain(
    '  web seed http://w/mirror/: waiting (it answers with HTTP status 503)\n',
  )
})

test('a narrow terminal loses columns, never part of an address', () => {
  let text = ''
  const stream = { isTTY: true, columns: 40, write: (more: string) => (text += more) }
  const verbose = { tracker: 0, serve: 0, fetch: 0 }
  const environment = { TERM: 'dumb' }
  showPeers(
    status,
    new Output({ json: false, quiet: false, verbose, stdout: stream, stderr: stream, environment }),
  )
  const lines = text.trimEnd().split('\n')
  expect(lines.every((line) => line.length <= 40)).toBe(true)
  expect(lines[0]).toMatch(/^peer +has +down$/)
  expect(lines[1]).toMatch(/^127\.0\.0\.3:6881 /)
})

test('programs get everything', () => {
  expect(
    JSON.parse(shown((output) => showStatus(status, { ...OFF, uploadDelay: 50 }, output), true)),
  ).toEqual({
    event: 'status',
    limits: { uploadLimit: null, downloadLimit: null, uploadDelay: 0.05, oneAtATime: false },
    ...status,
  })
  const { infoHash, name } = status.torrents[0]!
  expect(JSON.parse(shown((output) => showPeers(status, output), true))).toEqual({
    event: 'peer',
    infoHash,
    name,
    ...peer,
  })
})
