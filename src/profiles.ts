/**
 * The four systems Shoal grew from, as data: the settings with which it behaves as they did, and no code.
 * Nothing in the engine asks which profile is on. What a profile does not name keeps its default.
 */
import type { Settings } from './cli/settings.ts'

export interface Profile {
  readonly about: string
  readonly settings: Partial<Omit<Settings, 'profile'>>
  /** The console word its users knew; all stop words work everywhere. */
  readonly stopWord: string
  /** Peers of `shoal demo`: those that begin with everything, and those that begin with nothing. */
  readonly demo: { readonly seeds: number; readonly downloaders: number }
}

export const PROFILES: Readonly<Record<Settings['profile'], Profile>> = {
  none: {
    about: 'Shoal as it is',
    settings: {},
    stopWord: 'end',
    demo: { seeds: 2, downloaders: 4 },
  },
  memes: {
    about:
      'libraries of images cut into pages, a repository with heartbeats, readers that share rare pages first',
    settings: {
      pieceLength: 256_000,
      format: 'v1',
      align: true,
      piecesPerPeer: 1,
      fullList: 5,
      sample: 5,
      interval: 60_000,
      heartbeat: 30_000,
      heartbeatWindow: 3000,
      registerEvery: 'off',
      finalCheck: 'after',
      ring: false,
    },
    stopWord: 'end',
    demo: { seeds: 1, downloaders: 9 },
  },
  lab: {
    about: 'a shared folder, and a main server that knows who has which chunk',
    settings: {
      piecesPerPeer: 1,
      maxRequests: 50,
      fullList: 'all',
      sample: 'all',
      refreshLocations: 3000,
      registerEvery: 1000,
      heartbeat: 'off',
      finalCheck: 'before',
      ring: false,
    },
    stopWord: 'Q',
    demo: { seeds: 2, downloaders: 3 },
  },
  payload: {
    about: 'a trusted server with an HTTP API, and peers that talk to one other peer at a time',
    settings: {
      pieceLength: 16_384,
      piecesPerPeer: 1,
      uploadSlots: 1,
      oneAtATime: true,
      fullList: 'all',
      sample: 'all',
      interval: 60_000,
      heartbeat: 'off',
      registerEvery: 'off',
      finalCheck: 'after',
      ring: false,
    },
    stopWord: 'end',
    demo: { seeds: 2, downloaders: 2 },
  },
  cdht: {
    about: 'a ring of peers with no server',
    settings: { heartbeat: 'off' },
    stopWord: 'quit',
    demo: { seeds: 2, downloaders: 4 },
  },
}
