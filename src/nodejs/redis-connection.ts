/**
 * A connection to Redis, or to a cluster of it, that comes back by itself. While Redis is away every call
 * fails at once with `store/away`: a tracker's clients are told to come back, and nothing piles up here.
 * A Redis that is there and answers with an error (a script at fault, no memory, a replica that takes no
 * writes) is another matter: nothing gets better by waiting, so `store/failed` is told to the operator.
 * Invariants: no call waits for a connection; that Redis went away or came back is told once, and a failure
 * that repeats once in ten minutes.
 */
import { createHash } from 'node:crypto'
import { createClient, createCluster, ErrorReply, RESP_TYPES } from '@redis/client'
import { CallDeadlines } from './redis-deadlines.ts'
import { RepeatedFailures } from './repeated-failures.ts'
import { ShoalError } from './shoal-error.ts'

export interface RedisListener {
  /** Calls fail from now on. */
  lost(reason: string): void
  /** Calls work again. */
  regained(): void
  /** Something is wrong that does not pass by itself; not told again for a while. */
  readonly failed?: (error: ShoalError) => void
}

/** A script, named by the digest of its text. */
export interface RedisScript {
  readonly text: string
  readonly sha1: string
}

export type RedisArgument = string | Buffer

/** What a client and a cluster of clients have in common here. */
interface Link {
  connect(): Promise<unknown>
  /** @param key tells a cluster which node to ask */
  send(key: string, args: RedisArgument[]): Promise<unknown>
  destroy(): void
}

/** The longest wait between two attempts to connect. */
const RECONNECT_MS_MAX = 1000
const CONNECT_MS = 5000
/** What is not answered by then never is: Redis, or the way to it, hangs. */
const ANSWER_MS = 5000
/** A connection on which nothing comes or goes for so long is given up, and pings keep a good one busy. */
const SILENCE_MS = 10_000
const PING_MS = 3000
/** Calls that wait for their answer; with more, Redis is overloaded and further ones fail. */
const CALLS_WAITING_MAX = 100_000
/** Answers of a Redis that starts, or of a cluster that lacks a part. */
const NOT_NOW = /^(LOADING|CLUSTERDOWN|MASTERDOWN|TRYAGAIN) /
/** Strings come as they are: endpoints and peer ids are no text. */
const TYPE_MAPPING = { [RESP_TYPES.BLOB_STRING]: Buffer }

export function redisScript(text: string): RedisScript {
  return { text, sha1: createHash('sha1').update(text).digest('hex') }
}

export class RedisConnection {
  readonly #link: Link
  readonly #listener: RedisListener
  readonly #deadlines: CallDeadlines
  readonly #failures = new RepeatedFailures()
  #wasOpen = false
  /** Until it is open, too. */
  #isAway = true
  #isClosed = false

  private constructor(url: string, listener: RedisListener, answerMs: number) {
    this.#listener = listener
    const urls = nodeUrls(url)
    const isSingle = urls.length === 1
    const link = isSingle ? this.#single(urls[0]!) : this.#cluster(urls)
    // Of many nodes one may hang while the others serve: each call finds out for itself.
    this.#deadlines = new CallDeadlines(answerMs, {
      silent: () => isSingle && this.#changed(new Error('no answer')),
      answered: () => isSingle && this.#changed(undefined),
    })
    this.#link = { ...link, send: (key, args) => this.#deadlines.limit(link.send(key, args)) }
  }

  /**
   * @param url `redis://[user:password@]host:port[/database]`, `rediss://` over TLS; several `host:port` with
   *   commas between are nodes of a cluster
   * @param answerMs a call fails, and Redis is away, when it is not answered by then
   * @returns once it is connected. Throws ShoalError `store/unreachable`.
   */
  static async open(
    url: string,
    listener: RedisListener,
    answerMs: number = ANSWER_MS,
  ): Promise<RedisConnection> {
    const connection = new RedisConnection(url, listener, answerMs)
    let timer: NodeJS.Timeout | undefined
    const isTooLong = new Promise((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), CONNECT_MS)
    })
    try {
      await Promise.race([connection.#link.connect(), isTooLong])
      connection.#wasOpen = true
      connection.#isAway = false
      return connection
    } catch (error) {
      connection.close()
      const reason = (error as Error).message || (error as NodeJS.ErrnoException).code || 'no reason given'
      throw new ShoalError(
        'store/unreachable',
        `Redis at ${withoutPassword(url)} cannot be reached: ${reason}`,
        'Start Redis there, or name another place with --store.',
        { cause: error },
      )
    } finally {
      clearTimeout(timer)
    }
  }

  get isAway(): boolean {
    return this.#isAway
  }

  /** @throws ShoalError `store/away`, `store/failed` */
  async call(key: string, args: RedisArgument[]): Promise<unknown> {
    try {
      return await this.#send(key, args)
    } catch (error) {
      throw this.failure(error)
    }
  }

  /**
   * @param keys of one slot, named for the cluster by the first
   * @throws ShoalError `store/away`, `store/failed`
   */
  async run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args]
    try {
      return await this.#send(keys[0]!, ['EVALSHA', script.sha1, ...rest])
    } catch (error) {
      // A Redis that was restarted does not know the script; sent in full, it will.
      if (!(error instanceof ErrorReply && error.message.startsWith('NOSCRIPT'))) throw this.failure(error)
      return await this.call(keys[0]!, ['EVAL', script.text, ...rest])
    }
  }

  /** What any error amounts to: `store/away` passes by itself; `store/failed` does not, and is told. */
  failure(error: unknown): ShoalError {
    if (error instanceof ShoalError) return error
    const reason = error instanceof Error ? error.message : String(error)
    if (isOfConnection(error)) return away(error)
    const failed = new ShoalError(
      'store/failed',
      `Redis cannot be used: ${reason}`,
      'It is there, but something is wrong: its memory, its role, its rights, or a fault in Shoal.',
      { cause: error },
    )
    if (!this.#isClosed && this.#failures.isNews(reason, performance.now())) this.#listener.failed?.(failed)
    return failed
  }

  async #send(key: string, args: RedisArgument[]): Promise<unknown> {
    if (this.#isAway || this.#isClosed) throw away()
    return await this.#link.send(key, args)
  }

  close(): void {
    this.#isClosed = true
    this.#deadlines.close()
    try {
      this.#link.destroy()
    } catch {
      // It was not open.
    }
  }

  #single(url: string): Link {
    const client = createClient({ url, ...this.#manners() })
    client.on('error', (error: Error) => this.#changed(error))
    client.on('ready', () => this.#changed(undefined))
    return {
      connect: () => client.connect(),
      send: (_key, args) => client.sendCommand(args, { typeMapping: TYPE_MAPPING }),
      destroy: () => client.destroy(),
    }
  }

  #cluster(urls: readonly string[]): Link {
    const { username, password } = new URL(urls[0]!)
    const credentials = {
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    }
    const cluster = createCluster({
      rootNodes: urls.map((url) => ({ url })),
      RESP: 2,
      defaults: { ...credentials, ...this.#manners() },
    })
    // Of many nodes one may be gone while the others serve: each call finds out for itself.
    cluster.on('error', () => {})
    return {
      connect: () => cluster.connect(),
      send: (key, args) => cluster.sendCommand(key, false, args, { typeMapping: TYPE_MAPPING }),
      destroy: () => cluster.destroy(),
    }
  }

  #manners() {
    return {
      RESP: 2 as const,
      disableOfflineQueue: true,
      pingInterval: PING_MS,
      commandsQueueMaxLength: CALLS_WAITING_MAX,
      socket: {
        connectTimeout: CONNECT_MS,
        socketTimeout: SILENCE_MS,
        // Whoever starts a tracker hears at once that there is no Redis; one that had it waits for it.
        reconnectStrategy: (attempts: number, cause: Error) =>
          this.#wasOpen ? Math.min(RECONNECT_MS_MAX, 50 * 2 ** Math.min(attempts, 5)) : cause,
      },
    }
  }

  #changed(error: Error | undefined): void {
    const isAway = error !== undefined
    if (isAway === this.#isAway || !this.#wasOpen || this.#isClosed) return
    this.#isAway = isAway
    if (isAway) this.#listener.lost(error.message)
    else this.#listener.regained()
  }
}

function nodeUrls(url: string): string[] {
  const [, scheme, credentials = '', hosts = '', rest = ''] =
    /^(rediss?:\/\/)([^@/]*@)?([^/]*)(\/.*)?$/.exec(url) ?? []
  if (scheme === undefined || hosts === '')
    throw new ShoalError(
      'store/bad-url',
      `${withoutPassword(url)} names no Redis`,
      'Write redis://HOST:PORT, or redis://HOST:PORT,HOST:PORT for a cluster.',
    )
  return hosts.split(',').map((host) => `${scheme}${credentials}${host}${rest}`)
}

/** The URL as it may be shown (S26). */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}

/** Else Redis itself has answered, or what it was asked, or has answered, makes no sense. */
function isOfConnection(error: unknown): boolean {
  if (error instanceof ErrorReply) return NOT_NOW.test(error.message)
  return !(error instanceof TypeError || error instanceof RangeError)
}

function away(cause?: unknown): ShoalError {
  return new ShoalError(
    'store/away',
    'the store of this tracker is away',
    'It is tried again by itself; look at Redis if this lasts.',
    { cause },
  )
}
