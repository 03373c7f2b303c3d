/**
 * Announces as a raw client sends them, to test a tracker: HTTP on a plain socket and UDP (BEP 3, 15, 23),
 * from any local address. The reply is decoded by the kit's own bencoder.
 */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { type Bencoded, type BencodedDictionary, bdecode } from './bencode.ts'
import type { Endpoint } from './fake-tracker.ts'
import { WAIT_MS, within } from './waiting.ts'

export interface RawAnnounce {
  infoHash: Buffer
  peerId: Buffer
  port: number
  left?: number
  event?: 'started' | 'completed' | 'stopped' | ''
  numwant?: number
  compact?: 0 | 1
  /** The address the request comes from. */
  from?: string
  /** HTTP; `/announce` by default. */
  path?: string
}
export interface RawReply {
  /** Of an HTTP reply, all of it. */
  members: BencodedDictionary
  peers: Endpoint[]
  intervalSeconds: number
  failure: string | undefined
}

/** `endpoint` is the tracker's host and port. */
export async function announceHttp(
  endpoint: { host: string; port: number },
  announce: RawAnnounce,
): Promise<RawReply> {
  const {
    infoHash,
    peerId,
    port,
    left = 0,
    event = 'started',
    numwant,
    compact = 1,
    from,
    path = '/announce',
  } = announce
  const query = [
    ...[`info_hash=${percent(infoHash)}`, `peer_id=${percent(peerId)}`, `port=${port}`, `left=${left}`],
    ...['uploaded=0', 'downloaded=0', `compact=${compact}`],
    ...(event === '' ? [] : [`event=${event}`]),
    ...(numwant === undefined ? [] : [`numwant=${numwant}`]),
  ].join('&')
  const body = await httpGet(endpoint, `${path}?${query}`, from)
  const members = bdecode(body)
  if (!(members instanceof Map)) throw new Error('the reply is no dictionary')
  const failure = members.get('failure reason')
  return {
    members,
    peers: decodePeers(members.get('peers')),
    intervalSeconds: Number(members.get('interval')),
    failure: failure === undefined ? undefined : String(failure),
  }
}

/** The body of a GET over a plain socket that is closed afterwards. Throws unless the status is 200. */
export async function httpGet(
  { host, port }: { host: string; port: number },
  path: string,
  from?: string,
): Promise<Buffer> {
  const socket = connect({ host, port, ...(from ? { localAddress: from } : {}) })
  const parts: Buffer[] = []
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', (data) => parts.push(data))
    socket.on('end', resolve)
    socket.on('error', reject)
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`)
  await within(`reply of ${host}:${port}`, ended, WAIT_MS).finally(() => socket.destroy())
  const reply = Buffer.concat(parts)
  const split = reply.indexOf('\r\n\r\n')
  const head = reply.toString('latin1', 0, split)
  if (!/^HTTP\/1\.1 200 /.test(head)) throw new Error(`the tracker answered: ${head.split('\r\n')[0]}`)
  const body = reply.subarray(split + 4)
  return /\r\ntransfer-encoding: chunked/i.test(head) ? unchunked(body) : body
}

export interface JsonReply {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: what the fields are is what the tests check
  json: any
}

/** A POST of JSON over a plain socket that is closed afterwards. */
export function postJson(
  endpoint: { host: string; port: number },
  path: string,
  body: object,
  from?: string,
): Promise<JsonReply> {
  return askJson(endpoint, 'POST', path, JSON.stringify(body), from)
}

/** A GET of JSON likewise. */
export function getJson(
  endpoint: { host: string; port: number },
  path: string,
  from?: string,
): Promise<JsonReply> {
  return askJson(endpoint, 'GET', path, '', from)
}

async function askJson(
  { host, port }: { host: string; port: number },
  method: string,
  path: string,
  content: string,
  from: string | undefined,
): Promise<JsonReply> {
  const socket = connect({ host, port, ...(from ? { localAddress: from } : {}) })
  const parts: Buffer[] = []
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', (data) => parts.push(data))
    socket.on('end', resolve)
    socket.on('error', reject)
  })
  const type = content === '' ? '' : 'Content-Type: application/json\r\n'
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n${type}` +
      `Content-Length: ${Buffer.byteLength(content)}\r\n\r\n${content}`,
  )
  await within(`reply of ${host}:${port}`, ended, WAIT_MS).finally(() => socket.destroy())
  const reply = Buffer.concat(parts)
  const split = reply.indexOf('\r\n\r\n')
  const head = reply.toString('latin1', 0, split)
  const rest = reply.subarray(split + 4)
  const bytes = /\r\ntransfer-encoding: chunked/i.test(head) ? unchunked(rest) : rest
  return { status: Number(head.split(' ')[1]), json: JSON.parse(bytes.toString('utf8')) }
}

/** One whole UDP announce, connection and all. */
export async function announceUdp(endpoint: { host: string; port: number }, announce: RawAnnounce) {
  const socket = createSocket('udp4')
  const replies: Buffer[] = []
  let wake = () => {}
  socket.on('message', (packet) => {
    replies.push(packet)
    wake()
  })
  const ask = async (packet: Buffer): Promise<Buffer> => {
    const answered = new Promise<void>((resolve) => {
      wake = resolve
    })
    socket.send(packet, endpoint.port, endpoint.host)
    await within('UDP reply', answered)
    return replies.pop() as Buffer
  }
  try {
    await new Promise<void>((resolve) => socket.bind(0, announce.from ?? '127.0.0.1', resolve))
    const connection = await ask(Buffer.from('00000417271019800000000000000001', 'hex'))
    const packet = Buffer.alloc(98)
    connection.copy(packet, 0, 8, 16)
    packet.writeUInt32BE(1, 8)
    packet.writeUInt32BE(2, 12)
    announce.infoHash.copy(packet, 16)
    announce.peerId.copy(packet, 36)
    packet.writeBigUInt64BE(BigInt(announce.left ?? 0), 64)
    packet.writeUInt32BE(['', 'completed', 'started', 'stopped'].indexOf(announce.event ?? 'started'), 80)
    packet.writeInt32BE(announce.numwant ?? -1, 92)
    packet.writeUInt16BE(announce.port, 96)
    const reply = await ask(packet)
    if (reply.readUInt32BE(0) !== 1) throw new Error(`UDP tracker error: ${reply.toString('latin1', 8)}`)
    return { peers: decodePeers(reply.subarray(20)), intervalSeconds: reply.readUInt32BE(8) }
  } finally {
    socket.close()
  }
}

/** Compact or dictionary form, as it came. */
export function decodePeers(value: Bencoded | undefined): Endpoint[] {
  if (Array.isArray(value))
    return value.map((row) => {
      const peer = row as BencodedDictionary
      return { host: String(peer.get('ip')), port: Number(peer.get('port')) }
    })
  if (!Buffer.isBuffer(value)) return []
  const peers: Endpoint[] = []
  for (let at = 0; at + 6 <= value.length; at += 6)
    peers.push({ host: [...value.subarray(at, at + 4)].join('.'), port: value.readUInt16BE(at + 4) })
  return peers
}

function unchunked(body: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const end = body.indexOf('\r\n', at)
    const length = Number.parseInt(body.toString('latin1', at, end), 16)
    if (!(length > 0)) return Buffer.concat(parts)
    parts.push(body.subarray(end + 2, end + 2 + length))
    at = end + 2 + length + 2
  }
}

function percent(bytes: Buffer): string {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}
