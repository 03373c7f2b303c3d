/**
 * Real clients in a network of their own, each at its own address, with nothing but Shoal's tracker to find
 * one another by: each downloads from a Shoal seeder, which it dials, then, with that one gone, seeds to a
 * Shoal downloader, which dials it. Every file is compared.
 */
import { describe, expect, test } from 'vitest'
import { alone } from '../kit/clean-up.ts'
import { noPrivateNetwork, shareNetwork } from '../kit/private-network.ts'
import {
  type ClientOptions,
  type RealClient,
  startAria2,
  startLibtorrent,
  startRtorrent,
  startTransmission,
} from '../kit/real-clients.ts'
import { mustRun } from '../kit/shoal.ts'
import { type PeerOptions, type Stage, stage, startGet, startSeed } from '../kit/stage.ts'
import type { Format } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'

const FORMATS: Format[] = ['v1', 'v2', 'hybrid']
/** Several are of more than one piece, so that v2 needs piece layers. */
const FILES = {
  'a.bin': 1_200_001,
  'b/empty': 0,
  'b/ü.bin': 16_384,
  'b/c/d.bin': 333_333,
  'b/画像/🐟.png': 700_007,
  'e.bin': 32_768,
  z: 1,
}
const REBUILT = ['--rebuilt-info-hash']
const REQUIRE = ['--encryption', 'require']
/** For a machine that has much else to do. */
const SLOW_MS = 60_000
/**
 * rtorrent looks at its peers every 30 s, and by a link begins twice: for the metadata, then for the rest.
 */
const RTORRENT_MS = 150_000
const TEST_MS = 300_000

interface Case {
  name: string
  start: (options: ClientOptions) => Promise<RealClient>
  format: Format
  /** What a downloader is given: the .torrent, or a link with hash and tracker. */
  given?: 'torrent' | 'magnet'
  encryption?: NonNullable<ClientOptions['encryption']>
  /** For both Shoals. */
  args?: string[]
}

const PLAIN = [
  // aria2 and Transmission look around every ten seconds only: they begin first
  { name: 'Transmission', start: startTransmission, format: 'v1' },
  { name: 'aria2', start: startAria2, format: 'v1' },
  // aria2 knows hybrids by an infohash of its own; Transmission 3 cannot read them,
  // rtorrent sees their v1 side
  { name: 'aria2', start: startAria2, format: 'hybrid', args: REBUILT },
  { name: 'rtorrent', start: startRtorrent, format: 'v1' },
  { name: 'rtorrent', start: startRtorrent, format: 'hybrid' },
  ...FORMATS.map((format) => ({ name: 'libtorrent', start: startLibtorrent, format })),
] satisfies Case[]

/** A link does not say by what hash aria2 knows a hybrid. */
const canMagnet = ({ name, format }: Case) => name !== 'aria2' || format !== 'hybrid'

const CASES: Case[] = [
  ...PLAIN,
  ...PLAIN.filter(canMagnet).map((one): Case => ({ ...one, given: 'magnet' })),
  // hybrids are as v1 to those who see only that side of them
  ...PLAIN.filter(({ name, format }) => format !== 'hybrid' || name === 'libtorrent').flatMap(
    (one): Case[] => [
      { ...one, encryption: 'rc4' },
      { ...one, encryption: 'rc4', args: REQUIRE, given: canMagnet(one) ? 'magnet' : 'torrent' },
    ],
  ),
  { name: 'aria2', start: startAria2, format: 'v1', encryption: 'plain' },
  { name: 'libtorrent', start: startLibtorrent, format: 'v1', encryption: 'plain' },
  ...FORMATS.map((format): Case => {
    return { name: 'libtorrent', start: startLibtorrent, format, encryption: 'allowed', args: REQUIRE }
  }),
]

function titleOf({ name, format, given, encryption, args }: Case): string {
  const insisting = {
    rc4: 'the client insists on RC4',
    plain: 'the client insists on encryption',
    allowed: '',
  }
  return [
    name,
    format,
    given === 'magnet' ? 'by magnet link' : '',
    encryption === undefined || encryption === 'none' ? '' : insisting[encryption],
    args === REQUIRE ? 'Shoal insists on encryption' : '',
  ]
    .filter(Boolean)
    .join(', ')
}

/** Foreign clients write pad files and control files of their own; rtorrent the metadata a link led to. */
function differences(source: string, target: string): string[] {
  return treeDifferences(source, target).filter(
    (line) => !/^unexpected: .*(\.pad\/|\.aria2$|\.meta$)/.test(line),
  )
}

describe.skipIf(noPrivateNetwork !== undefined)('at addresses of their own', () => {
  const shared = shareNetwork()

  /**
   * A torrent that no other case has, named without what rtorrent's commands end at; and what a peer at the
   * next free address is started with.
   */
  function setUp(name: string, format: Format, files: Record<string, number> = FILES) {
    const at = <T extends object>(more: T) => ({
      host: shared.network.address(),
      network: shared.network,
      ...more,
    })
    const options = { name: name.replaceAll(/\W+/g, '-'), format, files, trackers: [shared.tracker] }
    return { ...stage(options), at }
  }

  /** Shoal downloads, into a folder of its own, and reads back what it was promised. */
  async function download(what: string, staged: Stage, options: PeerOptions): Promise<void> {
    const target = staged.folder('back')
    const get = startGet(what, target, options)
    if (what !== staged.file)
      expect(await get.event('metadata', undefined, SLOW_MS)).toMatchObject({ name: staged.torrent.name })
    await get.event('complete', undefined, SLOW_MS)
    expect(treeDifferences(staged.source, target)).toEqual([])
    expect(get.all('piece-failed')).toEqual([])
    expect(get.all('protocol-error')).toEqual([])
    expect(get.all('piece-verified')).toHaveLength(staged.torrent.pieceCount)
    expect((await get.end()).code).toBe(0)
  }

  test.concurrent.for(CASES.map((one) => ({ ...one, title: titleOf(one) })))(
    '$title: downloads from Shoal by the tracker, then seeds to Shoal',
    { timeout: TEST_MS },
    alone(async ({ title, name, start, format, given = 'torrent', encryption = 'none', args = [] }) => {
      const staged = setUp(title, format)
      const { file, source, target, torrent, at } = staged
      const seed = startSeed(file, source, at({ args }))
      await seed.event('announced', undefined, SLOW_MS)
      const link = torrent.magnet(`&tr=${encodeURIComponent(shared.tracker)}`)
      // rtorrent takes no link that names a v2 hash too
      const fits = name === 'rtorrent' ? link.replace(/&xt=urn:btmh:\w+/, '') : link
      const what = given === 'magnet' ? fits : file
      const client = await start(at({ torrent: what, dir: target, encryption }))
      await client.finished(name === 'rtorrent' ? RTORRENT_MS : SLOW_MS)
      // Transmission makes no empty files
      const missing = name === 'Transmission' ? [`missing: ${torrent.name}/b/empty`] : []
      expect(differences(source, target)).toEqual(missing)
      expect(seed.all('protocol-error')).toEqual([])
      expect((await seed.end()).code).toBe(0)
      await download(what, staged, at({ args }))
    }),
  )

  // whole pieces but for the last file, for aria2 wants to see padding on disk
  const WHOLE = { 'a.bin': 98_304, 'b/empty': 0, 'b/ü.bin': 327_680, z: 5 }

  test.concurrent(
    'aria2, hybrid: seeds to a Shoal that is only told its address',
    alone(async () => {
      const staged = setUp('told', 'hybrid', WHOLE)
      const { file, torrent, folder, at } = staged
      const dir = torrent.writeContent(folder('aria2'))
      const client = await startAria2(at({ torrent: file, dir }))
      await download(file, staged, at({ peers: [client], args: ['--no-tracker'] }))
    }),
  )

  test.concurrent(
    'aria2, hybrid: downloads from a Shoal that is only told its address',
    alone(async () => {
      const { file, source, target, at } = setUp('teller', 'hybrid')
      const client = await startAria2(at({ torrent: file, dir: target }))
      startSeed(file, source, at({ peers: [client], args: ['--no-tracker'] }))
      await client.finished(SLOW_MS)
      expect(differences(source, target)).toEqual([])
    }),
  )

  test.concurrent.for(FORMATS)(
    'a torrent made by Shoal, %s: libtorrent downloads it',
    alone(async (format) => {
      const { root, source, target, torrent, at } = setUp(`made ${format}`, 'v1')
      const made = `${root}/made.torrent`
      const options = ['--format', format, '--piece-length', '32KiB', '--tracker', shared.tracker]
      await mustRun(['create', `${source}/${torrent.name}`, '-o', made, ...options])
      await startSeed(made, source, at({})).event('announced', undefined, SLOW_MS)
      const client = await startLibtorrent(at({ torrent: made, dir: target }))
      await client.finished(SLOW_MS)
      expect(differences(source, target)).toEqual([])
    }),
  )
})
