/** S41: the certificate of a tracker is verified, always; an authority of one's own can be trusted. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bencode } from '../kit/bencode.ts'
import { onCleanUp, temporaryFolder } from '../kit/clean-up.ts'
import { stage, startSeed } from '../kit/stage.ts'

const NO_OPENSSL = spawnSync('openssl', ['version']).status === 0 ? undefined : 'no openssl here'
if (NO_OPENSSL) console.log(`skipped: ${NO_OPENSSL}`)

interface Certificate {
  readonly key: string
  readonly file: string
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' })
}

/** Valid from one day to another, as openssl writes them. */
function days(from: number, to: number): string[] {
  const day = (offset: number) =>
    new Date(Date.now() + offset * 86_400_000).toISOString().replace(/[-:T]/g, '').slice(0, 14).concat('Z')
  return ['-startdate', day(from), '-enddate', day(to)]
}

class Authority {
  readonly folder = temporaryFolder('authority')
  readonly file = join(this.folder, 'ca.pem')
  readonly #key = join(this.folder, 'ca.key')
  #count = 0

  constructor() {
    const subject = ['-subj', '/CN=Test Authority', '-days', '30']
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      ...subject,
      '-keyout',
      this.#key,
      '-out',
      this.file,
    )
    const database = ['database = index.txt', 'serial = serial', 'new_certs_dir = .', 'default_md = sha256']
    const lines = [
      '[ca]',
      'default_ca = c',
      '[c]',
      ...database,
      'policy = p',
      'copy_extensions = copy',
      '[p]',
      'commonName = supplied',
    ]
    writeFileSync(join(this.folder, 'ca.conf'), `${lines.join('\n')}\n`)
    writeFileSync(join(this.folder, 'index.txt'), '')
    writeFileSync(join(this.folder, 'serial'), '01\n')
  }

  issue(host: string, validity = days(-1, 10)): Certificate {
    const name = join(this.folder, `host-${++this.#count}`)
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${host}-${this.#count}`,
      '-addext',
      `subjectAltName=DNS:${host}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    )
    execFileSync(
      'openssl',
      [
        'ca',
        '-batch',
        '-config',
        'ca.conf',
        '-cert',
        'ca.pem',
        '-keyfile',
        'ca.key',
        '-notext',
        ...validity,
        '-in',
        `${name}.csr`,
        '-out',
        `${name}.pem`,
      ],
      { cwd: this.folder, stdio: 'ignore' },
    )
    return { key: `${name}.key`, file: `${name}.pem` }
  }

  selfSigned(host: string): Certificate {
    const name = join(this.folder, 'self')
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '10',
      '-subj',
      `/CN=${host}`,
      '-addext',
      `subjectAltName=DNS:${host}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    )
    return { key: `${name}.key`, file: `${name}.pem` }
  }
}

/** A tracker over TLS that counts what it was asked. */
async function tlsTracker({ key, file }: Certificate): Promise<{ url: string; asked: () => number }> {
  let asked = 0
  const server = createServer({ key: readFileSync(key), cert: readFileSync(file) }, (_, response) => {
    asked++
    response.end(bencode({ interval: 1800, peers: Buffer.alloc(0) }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onCleanUp(() => void server.close())
  return { url: `https://localhost:${(server.address() as AddressInfo).port}/announce`, asked: () => asked }
}

describe.skipIf(NO_OPENSSL)('S41: a tracker over HTTPS', () => {
  const CASES: [
    what: string,
    certificate: (authority: Authority) => Certificate,
    trusts: boolean,
    says: RegExp,
  ][] = [
    ['expired', (authority) => authority.issue('localhost', days(-20, -10)), true, /has expired/],
    ['not valid yet', (authority) => authority.issue('localhost', days(10, 20)), true, /not valid yet/],
    ['self-signed', (authority) => authority.selfSigned('localhost'), true, /signed itself/],
    ['of another host', (authority) => authority.issue('tracker.example'), true, /another host/],
    [
      'of an unknown authority',
      (authority) => authority.issue('localhost'),
      false,
      /authority that is not known/,
    ],
  ]

  test.each(CASES)(
    'whose certificate is %s is refused, whatever the environment says',
    async (_what, certificate, trusts, says) => {
      const authority = new Authority()
      const tracker = await tlsTracker(certificate(authority))
      const { file, source } = stage()
      const env: Record<string, string> = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
      if (trusts) env.NODE_EXTRA_CA_CERTS = authority.file
      const seed = startSeed(file, source, { tracker: tracker.url, env })
      const failed = await seed.event('announce-failed')
      expect(failed.code).toBe('tracker/bad-certificate')
      expect(failed.message).toMatch(says)
      expect(failed.hint).toMatch(/\S/)
      expect(tracker.asked()).toBe(0)
    },
  )

  test('whose certificate is valid is used, with an authority that NODE_EXTRA_CA_CERTS names', async () => {
    const authority = new Authority()
    const tracker = await tlsTracker(authority.issue('localhost'))
    const { file, source } = stage()
    const seed = startSeed(file, source, {
      tracker: tracker.url,
      env: { NODE_EXTRA_CA_CERTS: authority.file },
    })
    await seed.event('announced')
    expect(tracker.asked()).toBe(1)
  })

  test('that does not speak TLS is told from one that cannot be trusted', async () => {
    const server = createPlainServer((_, response) => void response.end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onCleanUp(() => void server.close())
    const { port } = server.address() as AddressInfo
    const { file, source } = stage()
    const seed = startSeed(file, source, { tracker: `https://127.0.0.1:${port}/announce` })
    expect((await seed.event('announce-failed')).message).toMatch(/does not speak TLS/)
  })
})
