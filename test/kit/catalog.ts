/** A tracker with its catalog, asked over plain HTTP; and records made and signed without the product. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import http from 'node:http'
import { bencode } from './bencode.ts'

export interface HttpAnswer {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: what the fields are is what the tests check
  json: any
}
export interface HttpAsked {
  method?: string
  headers?: http.OutgoingHttpHeaders
  body?: string | Buffer
  from?: string
}

export function askHttp(
  { host, port }: { host: string; port: number },
  path: string,
  { method = 'GET', headers = {}, body, from }: HttpAsked = {},
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const options = { host, port, path, method, headers: { ...length, ...headers }, agent: false }
    const request = http.request({ ...options, ...(from && { localAddress: from }) }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const whole = Buffer.concat(chunks)
        const isJson = /json/.test(response.headers['content-type'] ?? '')
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: whole,
          json: isJson ? JSON.parse(whole.toString()) : undefined,
        })
      })
    })
    request.on('error', reject).end(body)
  })
}

export function postJson(at: { host: string; port: number }, path: string, body: unknown) {
  const headers = { 'content-type': 'application/json' }
  return askHttp(at, path, { method: 'POST', headers, body: JSON.stringify(body) })
}

export interface FakePublisher {
  key: Buffer
  sign(message: Buffer): Buffer
}

export function fakePublisher(): FakePublisher {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x = '' } = (publicKey as KeyObject).export({ format: 'jwk' })
  return { key: Buffer.from(x, 'base64url'), sign: (message) => sign(null, message, privateKey) }
}

export interface FakeRecord {
  name?: string
  infoHash?: Buffer
  size?: number
  sequence?: number
  tags?: string[]
  about?: string
}

/** One library as `POST /api/v1/libraries` takes it. */
export function fakeLibrary(
  publisher: FakePublisher,
  { name = 'library', infoHash = randomBytes(20), size = 16_384, sequence = 1, tags, about }: FakeRecord = {},
): { record: string; signature: string } {
  const record = bencode({
    about,
    files: 1,
    key: publisher.key,
    name,
    'piece length': 16_384,
    pieces: Math.ceil(size / 16_384),
    seq: sequence,
    size,
    tags,
    v: 1,
    v1: infoHash,
  })
  const message = Buffer.concat([Buffer.from('shoal catalog record 1\0'), record])
  return { record: record.toString('base64'), signature: publisher.sign(message).toString('base64') }
}

export function publish(at: { host: string; port: number }, ...libraries: unknown[]): Promise<HttpAnswer> {
  return postJson(at, '/api/v1/libraries', { count: libraries.length, libraries })
}
