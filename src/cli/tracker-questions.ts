/** What a command asks of a Shoal tracker's API. */
import { ShoalError } from '../nodejs/shoal-error.ts'
import { HttpTrackerCalls } from '../nodejs/tracker-calls.ts'
import { API_PATH } from '../wire/tracker-http-reply.ts'
import { LOCAL_TRACKER, type Settings } from './settings.ts'

/** The first `--tracker`, else the one on this machine. Over UDP there is no API: the same host and port. */
export function trackerOf({ tracker }: Pick<Settings, 'tracker'>): string {
  return (tracker[0] ?? LOCAL_TRACKER).replace(/^udp:/i, 'http:')
}

/** The JSON of the answer. Throws `tracker/…`; `tracker/not-found` when there is no such thing. */
export async function askTracker(
  settings: Pick<Settings, 'tracker' | 'trackerTimeout'>,
  path: string,
): Promise<unknown> {
  const calls = new HttpTrackerCalls({ timeoutMs: settings.trackerTimeout })
  try {
    const url = trackerOf(settings)
    return await new Promise((resolve, reject) =>
      calls.call({ url, path: `${API_PATH}${path}` }, (result) => {
        if (result.ok) resolve(result.value)
        else reject(ShoalError.from(result.error))
      }),
    )
  } finally {
    calls.close()
  }
}

/** The rows of an answer, if they are what they should be. Throws `tracker/bad-reply`. */
export function rowsOf<Row>(
  answer: unknown,
  fields: Readonly<Partial<Record<keyof Row, 'string' | 'number' | 'boolean'>>>,
): { readonly total: number; readonly peers: readonly Row[] } {
  const { total, peers } = (answer ?? {}) as { readonly total?: unknown; readonly peers?: unknown }
  const isRow = (row: unknown): boolean =>
    typeof row === 'object' &&
    row !== null &&
    Object.entries(fields).every(([field, type]) => typeof (row as Record<string, unknown>)[field] === type)
  if (typeof total === 'number' && Array.isArray(peers) && peers.every(isRow)) return { total, peers }
  throw new ShoalError(
    'tracker/bad-reply',
    'the answer of the tracker makes no sense',
    'Check that --tracker names a Shoal tracker.',
  )
}

/** Says which torrent was not found. */
export function notFound(error: unknown, infoHash: string): unknown {
  if (!(error instanceof ShoalError) || error.code !== 'tracker/not-found') return error
  return new ShoalError(
    'tracker/not-found',
    `not found: nobody is in swarm ${infoHash}`,
    'Check the id and the tracker (--tracker); who is there has announced in the last hour.',
    { cause: error },
  )
}
