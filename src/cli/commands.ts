/**
 * Every command as data: arguments, its own options, the settings it takes, and the module that
 * does it, which is loaded only when it runs. `program.ts` hands this to commander; the
 * documentation is made from it too.
 */
import type { CommandModule } from './command-context.ts'
import { choice, count, duration, type Kind, PATH, SWITCH, TEXT } from './setting-kinds.ts'
import { LOCAL_TRACKER, type SettingName } from './settings.ts'

export interface CommandOption {
  /** As commander reads it: `-o, --output <FILE>`. */
  readonly flags: string
  readonly kind: Kind<unknown>
  readonly about: string
  /** May be given more than once; the value is then a list. */
  readonly isRepeatable?: boolean
}

export interface OptionGroup {
  readonly title: string
  readonly settings: readonly SettingName[]
}

export interface CommandDefinition {
  readonly name: string
  /** As commander reads it: `<PATH...>`. */
  readonly arguments?: string
  /** An argument may be the empty string. */
  readonly allowsEmptyArguments?: boolean
  readonly summary: string
  /** Paragraphs of `--help`. */
  readonly description: string
  readonly options?: readonly CommandOption[]
  readonly groups: readonly OptionGroup[]
  readonly examples: readonly string[]
  readonly load: () => Promise<CommandModule>
}

const SAYING: OptionGroup = {
  title: 'Output',
  settings: ['profile', 'json', 'quiet', 'verbose', 'logFile', 'logKeep'],
}

const MEETING: OptionGroup = {
  title: 'Network',
  settings: [
    'port',
    'host',
    'peer',
    'tracker',
    'useTracker',
    'requireTracker',
    'follow',
    'rebuiltInfoHash',
    'ring',
    'dht',
    'lan',
    'pex',
    'webSeeds',
    'encryption',
  ],
}

const TRANSFERRING: OptionGroup = {
  title: 'Transfer',
  settings: [
    'uploadLimit',
    'downloadLimit',
    'maxPeers',
    'maxRequests',
    'piecesPerPeer',
    'memory',
    'uploadSlots',
    'oneAtATime',
    'turnLimit',
    'waitLimit',
    'uploadDelay',
    'refreshLocations',
    'registerEvery',
    'finalCheck',
    'tmpDir',
    'spaceCheck',
    'handshakeTimeout',
    'requestTimeout',
    'idleTimeout',
    'trackerTimeout',
  ],
}

const PICKING: OptionGroup = { title: 'Order', settings: ['picker'] }
const MAKING: OptionGroup = { title: 'Torrent', settings: ['pieceLength', 'align', 'format'] }

const TRACKING: OptionGroup = {
  title: 'Tracker',
  settings: [
    'trackerPort',
    'host',
    'udpPort',
    'trustedProxy',
    'sourceLimit',
    'publishLimit',
    'interval',
    'heartbeat',
    'heartbeatWindow',
    'fullList',
    'sample',
    'store',
    'mode',
    'tokenFile',
    'follow',
    'apiHost',
    'apiOrigin',
  ],
}

const PEER: readonly OptionGroup[] = [MEETING, TRANSFERRING, SAYING]

const CONSOLE_NOTE =
  'While it runs, type status, peers or help; end, quit or q stops it in good order, and so does Ctrl+C.'

const TRACKER_CONSOLE_NOTE =
  'While it runs, type status or help; end, quit or q stops it in good order, and so does Ctrl+C.'

const DIR: CommandOption = {
  flags: '-d, --dir <DIR>',
  kind: PATH,
  about: "folder in which the torrent's own name stands (default: .)",
}
const EXCLUDE: CommandOption = {
  flags: '--exclude <GLOB>',
  kind: TEXT,
  about: 'leave out what matches',
  isRepeatable: true,
}
const CREATE_OPTIONS: readonly CommandOption[] = [
  { flags: '-n, --name <NAME>', kind: TEXT, about: 'name of the library (default: that of the path)' },
  { flags: '--private', kind: SWITCH, about: 'only peers of its trackers (BEP 27)' },
  { flags: '--comment <TEXT>', kind: TEXT, about: 'a comment for people' },
  {
    flags: '--web-seed <URL>',
    kind: TEXT,
    about: 'an HTTP address of the same content (BEP 19)',
    isRepeatable: true,
  },
  EXCLUDE,
]

export const COMMANDS: readonly CommandDefinition[] = [
  {
    name: 'create',
    arguments: '<PATH...>',
    summary: 'write a .torrent',
    description:
      'Reads files or folders and writes a .torrent that describes them. Hidden files are taken, names are kept byte for byte.',
    options: [
      { flags: '-o, --output <FILE>', kind: PATH, about: 'where to write it (default: NAME.torrent)' },
      ...CREATE_OPTIONS,
    ],
    groups: [MAKING, { title: 'Network', settings: ['tracker'] }, SAYING],
    examples: [
      'shoal create pictures --tracker http://127.0.0.1:6969',
      'shoal create pictures --piece-length 1MiB --format v2 -o pictures.torrent',
    ],
    load: () => import('./create.ts'),
  },
  {
    name: 'info',
    arguments: '<SOURCE>',
    summary: 'show a .torrent or magnet link',
    description: 'Shows what a .torrent file or a magnet link says: name, infohash, files, trackers.',
    options: [{ flags: '--pieces', kind: SWITCH, about: 'list the hash of every piece' }],
    groups: [SAYING],
    examples: ['shoal info pictures.torrent', 'shoal info pictures.torrent --pieces --json'],
    load: () => import('./info.ts'),
  },
  {
    name: 'verify',
    arguments: '<TORRENT> <DIR>',
    summary: 'check files against a .torrent',
    description:
      'Reads everything back from disk and compares it with the .torrent. Exit status 1 when anything is missing or wrong.',
    groups: [SAYING],
    examples: ['shoal verify pictures.torrent .'],
    load: () => import('./verify.ts'),
  },
  {
    name: 'share',
    arguments: '<PATH...>',
    summary: 'create, publish, seed and print the share link',
    description: `Makes a torrent of every PATH (a folder or a file), seeds them, puts them in the catalog of the tracker, and prints which .torrent to send, and a share link for other programs. Without --tracker it announces to the tracker of this machine, ${LOCAL_TRACKER}, unless --no-tracker; the .torrent and the link name that one only where others reach it, by this machine's address. ${CONSOLE_NOTE}`,
    options: [
      ...CREATE_OPTIONS,
      { flags: '--description <TEXT>', kind: TEXT, about: 'what it is, for the catalog' },
      { flags: '--tag <WORD>', kind: TEXT, about: 'a tag in the catalog', isRepeatable: true },
      { flags: '--no-publish', kind: SWITCH, about: 'leave it out of the catalog' },
    ],
    groups: [MAKING, ...PEER],
    examples: ['shoal share pictures', 'shoal share a.jpg b.jpg --tracker http://127.0.0.1:6969'],
    load: () => import('./share.ts'),
  },
  {
    name: 'seed',
    arguments: '<TORRENT...>',
    summary: 'seed what is there',
    description: `Seeds torrents, or all torrents of a folder, from what lies in DIR. Never downloads unless --repair. ${CONSOLE_NOTE}`,
    options: [DIR, { flags: '--repair', kind: SWITCH, about: 'download what is missing or wrong' }],
    groups: PEER,
    examples: ['shoal seed pictures.torrent --dir .', 'shoal seed torrents/ --dir /srv/libraries'],
    load: () => import('./seed.ts'),
  },
  {
    name: 'get',
    arguments: '<SOURCE>',
    summary: 'download, then keep seeding',
    description: `Downloads from a .torrent (a file, or its address on the web), a magnet link or share link, or the number or name of a library in the catalog (shoal ls) into DIR; what is already there is checked and kept. Keeps seeding unless --exit. ${CONSOLE_NOTE}`,
    options: [
      DIR,
      {
        flags: '-s, --select <GLOB>',
        kind: TEXT,
        about: 'only files whose path matches',
        isRepeatable: true,
      },
      { flags: '--exit', kind: SWITCH, about: 'stop when complete' },
      { flags: '--seed-only', kind: SWITCH, about: 'request nothing, serve what is there' },
    ],
    groups: [PICKING, ...PEER],
    examples: [
      'shoal get pictures.torrent --dir downloads --exit',
      "shoal get pictures.torrent --select '2024/**' --picker sequential",
      'shoal get 2',
    ],
    load: () => import('./get.ts'),
  },
  {
    name: 'ls',
    arguments: '[QUERY...]',
    summary: 'list the catalog of a tracker',
    description: `Lists the libraries that were published in the catalog of the tracker (--tracker, else ${LOCAL_TRACKER.replace('/announce', '')}) and that somebody has. With QUERY, those in whose name, description or tags all its words occur.`,
    options: [
      { flags: '--all', kind: SWITCH, about: 'also what nobody has any more' },
      {
        flags: '--sort <ORDER>',
        kind: choice('ORDER', 'newest', 'number', 'name', 'size', 'files', 'seeders'),
        about: 'newest (default), number, name, size, files or seeders',
      },
      { flags: '--tag <WORD>', kind: TEXT, about: 'only with this tag' },
      { flags: '--publisher <KEY>', kind: TEXT, about: 'only of this publisher' },
      { flags: '--page <N>', kind: count({ min: 1, max: 10_000 }), about: 'which page (default: 1)' },
    ],
    groups: [{ title: 'Network', settings: ['tracker', 'trackerTimeout', 'follow'] }, SAYING],
    examples: ['shoal ls', 'shoal ls cats --sort seeders'],
    load: () => import('./ls.ts'),
  },
  {
    name: 'launch',
    arguments: '<DIR...>',
    summary: 'several peers in one command, the first seed-only',
    description: `Runs one peer per DIR, each with its own port and id. Every DIR holds a .torrent and its content, or --torrent names one for all. The first peer requests nothing. With --port N the peers listen on N, N+1 and so on. ${CONSOLE_NOTE}`,
    options: [
      {
        flags: '-t, --torrent <FILE>',
        kind: PATH,
        about: 'the .torrent for every DIR (default: the one inside each)',
      },
      { flags: '--exit', kind: SWITCH, about: 'stop when every peer is complete' },
    ],
    groups: [PICKING, ...PEER],
    examples: ['shoal launch reader1 reader2 reader3 --torrent book.torrent'],
    load: () => import('./launch.ts'),
  },
  {
    name: 'peers',
    arguments: '[ID]',
    summary: 'who is in a swarm, by its tracker',
    description: `Asks a Shoal tracker who is in the swarm of ID: an infohash, a magnet link, a .torrent file, or a number or name in its catalog. Without ID: who has registered with the tracker itself. Shows as many as a peer would get from it. Without --tracker it asks the tracker of this machine.`,
    options: [{ flags: '--all', kind: SWITCH, about: 'everybody, not a sample' }],
    groups: [{ title: 'Network', settings: ['tracker', 'trackerTimeout'] }, SAYING],
    examples: ['shoal peers pictures.torrent --tracker http://tracker.example:6969'],
    load: () => import('./peers.ts'),
  },
  {
    name: 'locations',
    arguments: '<ID>',
    summary: 'which peer has which pieces, by its tracker',
    description: `Asks a Shoal tracker which pieces each peer says it has. ID is an infohash, a magnet link, a .torrent file, or a number or name in its catalog. Only Shoal tells its tracker, and only while it downloads. Without --tracker it asks the tracker of this machine.`,
    groups: [{ title: 'Network', settings: ['tracker', 'trackerTimeout'] }, SAYING],
    examples: ['shoal locations pictures.torrent --tracker http://tracker.example:6969'],
    load: () => import('./locations.ts'),
  },
  {
    name: 'tracker',
    summary: 'run a tracker',
    description: `Answers announces and scrapes over HTTP, and forgets peers that stop announcing. ${TRACKER_CONSOLE_NOTE}`,
    groups: [TRACKING, SAYING],
    examples: ['shoal tracker', 'shoal tracker --host 127.0.0.1 --port 7000 --interval 5m'],
    load: () => import('./tracker.ts'),
  },
  {
    name: 'payload',
    arguments: '<put|get> [VALUE]',
    allowsEmptyArguments: true,
    summary: 'payload strings: put STRING, get ID',
    description: `\`payload put STRING\` gives a string (or, with - or none, standard input) to the tracker and prints its id; the same string has the same id everywhere. \`payload get ID\` asks the tracker for it, or peers. Both then hold it for others until they are stopped. Without any tracker: --no-tracker. ${CONSOLE_NOTE}`,
    options: [
      { flags: '-d, --dir <DIR>', kind: PATH, about: 'folder for the file that is shared (default: .)' },
      { flags: '--exit', kind: SWITCH, about: 'do not stay and hold it' },
      { flags: '--no-seed', kind: SWITCH, about: 'the same, after get' },
      { flags: '--no-store', kind: SWITCH, about: 'put: the tracker keeps id and hashes, not the string' },
      { flags: '--hashes', kind: SWITCH, about: 'get: show the hash of every chunk of four characters' },
    ],
    groups: PEER,
    examples: [
      "shoal payload put 'hello there' --tracker http://127.0.0.1:6969",
      'shoal payload get ID --hashes --tracker http://127.0.0.1:6969',
    ],
    load: () => import('./payload.ts'),
  },
  {
    name: 'invite',
    arguments: '[ID]',
    summary: 'make, list and revoke invite links of a tracker',
    description:
      'Makes an invite link with which others join a tracker, lists those that are open, or revokes the one with ID. Who you are is said by --token-file (the operator), or by the passkey in the address of the tracker.',
    options: [
      {
        flags: '--expires <TIME>',
        kind: duration({ min: 1000, max: 90 * 86_400_000 }),
        about: 'good for so long (default: 7d)',
      },
      {
        flags: '--uses <N>',
        kind: count({ min: 1, max: 1000 }),
        about: 'so many may join with it (default: 1)',
      },
      { flags: '--list', kind: SWITCH, about: 'show the open ones' },
      { flags: '--revoke', kind: SWITCH, about: 'the one with ID is worth nothing any more' },
    ],
    groups: [{ title: 'Network', settings: ['tracker', 'tokenFile', 'trackerTimeout'] }, SAYING],
    examples: ['shoal invite --token-file tracker.sqlite.token', 'shoal invite --revoke ID'],
    load: () => import('./invite.ts'),
  },
  {
    name: 'join',
    arguments: '<LINK>',
    summary: 'become a member of a tracker with an invite link',
    description:
      'Gives back the address to announce to, with your passkey in it. Keep it for yourself: it is your key.',
    options: [{ flags: '--name <NAME>', kind: TEXT, about: 'how the operator sees you' }],
    groups: [{ title: 'Network', settings: ['trackerTimeout'] }, SAYING],
    examples: ['shoal join http://tracker.example:6969/join#SECRET'],
    load: () => import('./join.ts'),
  },
  {
    name: 'ask',
    arguments: '<HOST:PORT>',
    summary: 'ask a peer about chunks of a payload string',
    description:
      'Asks a Shoal peer whether the chunks (four characters each, counted from 0) of a payload string are what you say. Prints one answer for each claim; exit status 1 when the peer does not hold the payload.',
    options: [
      { flags: '--payload <ID>', kind: TEXT, about: 'id of the payload' },
      {
        flags: '--claim <POS:CHUNK>',
        kind: TEXT,
        about: 'what is said to stand where; may be given more than once',
        isRepeatable: true,
      },
    ],
    groups: [{ title: 'Network', settings: ['host', 'encryption', 'handshakeTimeout'] }, SAYING],
    examples: ['shoal ask 127.0.0.1:6881 --payload ID --claim 0:hell --claim 1:o th'],
    load: () => import('./ask.ts'),
  },
  {
    name: 'stats',
    arguments: '[HOST:PORT|URL]',
    summary: 'counters of a peer or a tracker',
    description:
      'Shows what a Shoal peer has counted (HOST:PORT, its peer port), or a tracker (its URL; default: --tracker, else the one of this machine). Peers tell their counters to their own machine and network.',
    options: [
      {
        flags: '-t, --type <NAME>',
        kind: TEXT,
        about: 'only this counter; may be given more than once',
        isRepeatable: true,
      },
      { flags: '--all-ids', kind: SWITCH, about: 'of every peer id this address has had, added up' },
      { flags: '--prometheus', kind: SWITCH, about: 'in the text format of Prometheus' },
    ],
    groups: [
      { title: 'Network', settings: ['tracker', 'host', 'encryption', 'handshakeTimeout', 'trackerTimeout'] },
      SAYING,
    ],
    examples: ['shoal stats 127.0.0.1:6881', 'shoal stats 127.0.0.1:6881 --type claims_answered --all-ids'],
    load: () => import('./stats.ts'),
  },
  {
    name: 'log',
    arguments: '[FILE]',
    summary: 'show a log file',
    description: 'Shows the end of a file that --log-file wrote, and with --tail what is added to it.',
    options: [
      { flags: '--tail', kind: SWITCH, about: 'go on showing what is added' },
      {
        flags: '-n, --lines <N>',
        kind: count({ min: 0, max: 1_000_000 }),
        about: 'lines from the end (default: 100)',
      },
      {
        flags: '-t, --type <EVENT>',
        kind: TEXT,
        about: 'only events of this name; may be given more than once',
        isRepeatable: true,
      },
    ],
    groups: [SAYING],
    examples: ['shoal log seed.log --tail', 'shoal log seed.log --type peer-connected'],
    load: () => import('./log.ts'),
  },
  {
    name: 'demo',
    summary: 'the whole system on this machine, with a library made on the spot',
    description:
      'Makes a library of pictures, starts a tracker, seeds and downloaders on this machine alone, and compares what arrived. Cleans up after itself.',
    options: [
      { flags: '--keep', kind: SWITCH, about: 'leave the temporary folder in place' },
      {
        flags: '--images <N>',
        kind: count({ min: 1, max: 100_000 }),
        about: 'pictures in the library (default: 500)',
      },
    ],
    groups: [PICKING, TRANSFERRING, SAYING],
    examples: ['shoal demo', 'shoal demo --profile memes'],
    load: () => import('./demo.ts'),
  },
  {
    name: 'config',
    summary: 'show every setting and where it comes from',
    description:
      'Prints the effective value of every setting and its origin. A value comes from the first of: flag, SHOAL_ variable, configuration file, profile, default.',
    groups: [
      MEETING,
      PICKING,
      TRANSFERRING,
      MAKING,
      {
        title: 'Tracker',
        settings: TRACKING.settings.filter(
          (name) => !MEETING.settings.includes(name) && name !== 'trackerPort',
        ),
      },
      SAYING,
    ],
    examples: [
      'shoal config',
      'shoal config --profile memes --json',
      'SHOAL_UPLOAD_LIMIT=5MB/s shoal config',
    ],
    load: () => import('./config.ts'),
  },
]
