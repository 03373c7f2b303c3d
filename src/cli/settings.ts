/**
 * Every setting there is, in one typed table: name, flag, kind, default and what it is for. From it come
 * the options of the commands, the `SHOAL_*` variables, the keys of the configuration file, `shoal
 * config` and the types commands read.
 *
 * Units: sizes are bytes, rates bytes per second, durations milliseconds; a word (`auto`,
 * `off`, `all`) is itself.
 * A value comes from the first of: flag, environment, configuration file, profile,
 * default (`settings-resolution.ts`).
 */
import { LIMITS } from '../base/limits.ts'
import {
  ADDRESS,
  ADDRESSES,
  choice,
  count,
  duration,
  ENDPOINTS,
  HOST_NAMES,
  type HostPort,
  KEYS,
  type Kind,
  ORIGINS,
  orWord,
  PATH,
  rate,
  SWITCH,
  size,
  TEXT,
  URLS,
  VERBOSITY,
  type Verbosity,
} from './setting-kinds.ts'

export interface Setting<T> {
  readonly kind: Kind<T>
  readonly default: T
  /**
   * One line, as in `--help`; no full stop. Of a negated switch it says what is on, and
   * help puts `do not` before it.
   */
  readonly about: string
  /** The flag where it is not `--` and the name: negations, and `--port` of the tracker. */
  readonly flag?: string
  /** How the default reads when the bare value would not be understood. */
  readonly defaultText?: string
  /** Without effect in this version: not in `--help`, and `shoal config` says so. */
  readonly isLater?: boolean
}

function setting<T>(
  kind: Kind<T>,
  fallback: NoInfer<T>,
  about: string,
  rest: Partial<Setting<T>> = {},
): Setting<T> {
  return { kind, default: fallback, about, ...rest }
}

const PORT = { min: 0, max: 65_535 }
const TIMEOUT = { min: 100, max: 3_600_000 }
const PROFILE_NAMES = ['none', 'memes', 'lab', 'payload', 'cdht'] as const
const NO_URLS: readonly string[] = []
const NO_ADDRESSES: readonly string[] = []
const NO_NAMES: readonly string[] = []
const NO_ENDPOINTS: readonly HostPort[] = []
const QUIET: Verbosity = { tracker: 0, serve: 0, fetch: 0 }

/** Accepted from the start, so that scripts may name it; what it switches is not built yet. */
const LATER = { isLater: true } as const

/** Where a tracker on this machine listens unless told otherwise. */
export const LOCAL_TRACKER = 'http://127.0.0.1:6969/announce'

export const SETTINGS = {
  // Where a peer listens and whom it meets.
  port: setting(
    orWord(count(PORT), 'auto'),
    'auto',
    'port to listen on; 0 picks a free one from 49152-65535',
    {
      defaultText: 'auto: the first free of 6881-6889, else like 0',
    },
  ),
  host: setting(
    orWord(ADDRESS, 'all'),
    'all',
    'address to listen on, also the source of outgoing connections',
    {
      defaultText: 'all interfaces',
    },
  ),
  peer: setting(ENDPOINTS, NO_ENDPOINTS, 'connect to this peer; may be given more than once'),
  tracker: setting(
    URLS,
    NO_URLS,
    `announce to this tracker; may be given more than once (share alone has a default: ${LOCAL_TRACKER})`,
  ),
  useTracker: setting(SWITCH, true, 'announce to trackers', { flag: '--no-tracker' }),
  requireTracker: setting(SWITCH, false, 'stop with exit status 2 when no tracker answers'),
  rebuiltInfoHash: setting(
    SWITCH,
    false,
    'also announce hybrid torrents under the infohash that aria2 computes',
  ),
  ring: setting(SWITCH, true, 'look for peers in the ring', { flag: '--no-ring', ...LATER }),
  dht: setting(SWITCH, true, 'look for peers in the DHT', { flag: '--no-dht', ...LATER }),
  lan: setting(SWITCH, true, 'look for peers in the local network', { flag: '--no-lan' }),
  pex: setting(SWITCH, true, 'exchange peer addresses with peers', { flag: '--no-pex' }),
  webSeeds: setting(SWITCH, true, 'fetch from web seeds too', { flag: '--no-web-seeds' }),
  encryption: setting(
    choice('WHEN', 'off', 'prefer', 'require'),
    'prefer',
    'encrypt connections to peers: off, prefer (where a peer asks for it) or require (nothing else)',
  ),

  // How a peer transfers.
  uploadLimit: setting(
    orWord(rate({ min: 1024 }), 'off'),
    'off',
    'most bytes per second sent, all peers together',
  ),
  downloadLimit: setting(
    orWord(rate({ min: 1024 }), 'off'),
    'off',
    'most bytes per second received, all peers together',
  ),
  maxPeers: setting(
    count({ min: 1, max: 10_000 }),
    LIMITS.peersPerTorrentMax.value,
    'most connected peers of one torrent',
  ),
  maxRequests: setting(
    orWord(count({ min: 1, max: 100_000 }), 'auto'),
    'auto',
    'most pieces in flight, all peers together',
  ),
  piecesPerPeer: setting(
    orWord(count({ min: 1, max: 1024 }), 'auto'),
    'auto',
    'most pieces in flight at one peer; 1 keeps exactly one piece at a time',
  ),
  memory: setting(
    size({ min: 1024 * 1024, max: 16 * 1024 * 1024 * 1024 }),
    LIMITS.unverifiedBytesMax.value,
    'most memory for pieces that are not verified yet; one larger piece is always let in',
  ),
  uploadSlots: setting(count({ min: 1, max: 10_000 }), 50, 'peers served at the same time'),
  oneAtATime: setting(SWITCH, false, 'talk to one peer at a time, the others wait in order'),
  uploadDelay: setting(
    orWord(duration({ min: 0, max: 60_000 }), 'off'),
    'off',
    'wait before each block sent, to be slow on purpose',
  ),
  turnLimit: setting(
    duration({ min: 1000, max: 86_400_000 }),
    60_000,
    'with --one-at-a-time: a peer is talked to this long while others wait',
  ),
  waitLimit: setting(
    duration({ min: 1000, max: 86_400_000 }),
    300_000,
    'with --one-at-a-time: a peer that has waited this long is sent away',
  ),
  picker: setting(
    choice('ORDER', 'rarest', 'sequential', 'random'),
    'rarest',
    'which piece to fetch next: rarest, sequential or random',
  ),
  finalCheck: setting(
    choice('WHEN', 'after', 'before', 'off'),
    'after',
    'read everything back from disk: after completion, before it counts as complete, or off',
  ),
  tmpDir: setting(orWord(PATH, 'off'), 'off', 'keep unfinished files here and move them when complete', {
    defaultText: 'off: files grow in place',
  }),
  spaceCheck: setting(SWITCH, true, 'wait until there is space for all that is missing', {
    flag: '--no-space-check',
  }),
  refreshLocations: setting(
    orWord(duration({ min: 500, max: 86_400_000 }), 'off'),
    'off',
    'ask the trackers again this often while downloading',
  ),
  registerEvery: setting(
    orWord(duration({ min: 1000, max: 3_600_000 }), 'off'),
    1000,
    'tell a Shoal tracker of new pieces this often at most while downloading',
  ),
  handshakeTimeout: setting(
    duration(TIMEOUT),
    10_000,
    'a peer that has not finished its handshake by then is dropped',
  ),
  requestTimeout: setting(
    duration(TIMEOUT),
    20_000,
    'a block that has not come by then is asked of another peer',
  ),
  trackerTimeout: setting(
    duration(TIMEOUT),
    15_000,
    'a tracker that has not answered by then is asked again later, or the next one is',
  ),
  idleTimeout: setting(
    duration({ min: 1000, max: 3_600_000 }),
    120_000,
    'a peer that stays silent this long is dropped',
  ),

  // How a torrent is made.
  pieceLength: setting(
    orWord(size({ min: LIMITS.blockLengthMax.value, max: LIMITS.pieceLengthMax.value }), 'auto'),
    'auto',
    'piece length; other than a power of two means format v1',
  ),
  align: setting(SWITCH, false, 'start every file at a piece boundary (pad files, BEP 47)'),
  format: setting(
    choice('FORMAT', 'auto', 'hybrid', 'v1', 'v2'),
    'auto',
    'BitTorrent version: auto, hybrid, v1 or v2',
  ),

  // How a tracker behaves.
  trackerPort: setting(count(PORT), 6969, 'HTTP port of the tracker', { flag: '--port' }),
  udpPort: setting(
    orWord(orWord(count(PORT), 'same'), 'off'),
    'same',
    'UDP port of the tracker, same as the HTTP port, or off',
    {
      defaultText: 'same as the HTTP port',
    },
  ),
  trustedProxy: setting(
    ADDRESSES,
    NO_ADDRESSES,
    'believe this proxy about whom it speaks for (X-Forwarded-For, else ip); may be given more than once',
  ),
  sourceLimit: setting(
    orWord(orWord(count({ min: 1, max: 10_000_000 }), 'auto'), 'off'),
    'auto',
    'requests of one address answered in a second; a network of IPv6 (/64) counts as one',
    {
      defaultText: `auto: ${LIMITS.trackerRequestsPerSourceMax.value}, off for this machine’s own`,
    },
  ),
  publishLimit: setting(
    orWord(orWord(count({ min: 1, max: 10_000_000 }), 'auto'), 'off'),
    'auto',
    'libraries, payload strings and invites taken of one address in an hour; each 64 KiB count as one more',
    {
      defaultText: `auto: ${LIMITS.publicationsPerSourceMax.value}, off for this machine’s own`,
    },
  ),
  store: setting(
    orWord(TEXT, 'auto'),
    'auto',
    'where what it knows is kept: sqlite:FILE, memory, or redis://HOST:PORT',
    {
      defaultText: 'auto: a file in your data folder for each port; memory with --port 0',
    },
  ),
  mode: setting(
    choice('MODE', 'open', 'invite', 'members'),
    'open',
    'who may use the tracker: open (all), invite (members, who may invite others) or members',
  ),
  tokenFile: setting(
    orWord(PATH, 'auto'),
    'auto',
    'file with the token of the operator; made when it is not there',
    { defaultText: 'auto: beside the file of --store' },
  ),
  follow: setting(
    KEYS,
    NO_NAMES,
    'a publisher whose libraries come first in the catalog; may be given more than once',
  ),
  apiHost: setting(
    HOST_NAMES,
    NO_NAMES,
    'a name under which people reach this tracker, beside its addresses; any for every name',
  ),
  apiOrigin: setting(ORIGINS, NO_NAMES, 'let pages of this origin use the API; may be given more than once'),
  interval: setting(
    duration({ min: 1000, max: 86_400_000 }),
    1_800_000,
    'how often peers are told to announce',
  ),
  heartbeat: setting(
    orWord(duration({ min: 100, max: 86_400_000 }), 'off'),
    60_000,
    'how often each peer is probed, to see whether it is there; off for a public tracker',
  ),
  heartbeatWindow: setting(duration(TIMEOUT), 3000, 'a probed peer has this long to answer'),
  fullList: setting(
    orWord(count({ min: 0, max: 100_000 }), 'all'),
    50,
    'up to this many others, an announce gets them all',
  ),
  sample: setting(
    orWord(count({ min: 1, max: 100_000 }), 'all'),
    50,
    'above that, it gets this many at random',
  ),

  // What a program says.
  profile: setting(
    choice('NAME', ...PROFILE_NAMES),
    'none',
    'behave like one of the four systems Shoal grew from: memes, lab, payload or cdht',
  ),
  logFile: setting(orWord(PATH, 'off'), 'off', 'write every event to this file, one JSON object a line'),
  logKeep: setting(count({ min: 1, max: 1000 }), 5, 'log files kept, 10 MiB each'),
  verbose: setting(
    VERBOSITY,
    QUIET,
    'say more about tracker, serve or fetch; level 1 or 2; may be given more than once',
  ),
  json: setting(SWITCH, false, 'one JSON object a line on standard output'),
  quiet: setting(SWITCH, false, 'only results and errors'),
} as const satisfies Readonly<Record<string, Setting<unknown>>>

export type SettingName = keyof typeof SETTINGS
export type SettingValue<N extends SettingName> = (typeof SETTINGS)[N] extends Setting<infer T> ? T : never
/** What a command reads: every setting, resolved. */
export type Settings = { readonly [N in SettingName]: SettingValue<N> }

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** `uploadLimit` is `upload-limit` in the configuration file and in `shoal config`. */
export function settingKey(name: SettingName): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

export function settingFlag(name: SettingName): string {
  return settingOf(name).flag ?? `--${settingKey(name)}`
}

export function settingVariable(name: SettingName): string {
  return `SHOAL_${settingKey(name).replaceAll('-', '_').toUpperCase()}`
}

/** The table's row without its value type, for code that treats all settings alike. */
export function settingOf(name: SettingName): Setting<unknown> {
  return SETTINGS[name] as Setting<unknown>
}
