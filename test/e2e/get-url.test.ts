/** `get` of a `.torrent` on the web. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MAIN, NODE, runShoal } from '../kit/shoal.ts'
import { peerArguments, stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { serveWeb } from '../kit/web-server.ts'

test('the torrent is fetched, redirected or not, and downloaded', async () => {
  const { file, source, target } = stage()
  const base = await serveWeb(({ url: path }, response) => {
    if (path === '/download?id=7') response.writeHead(302, { location: '/files/some.torrent' }).end()
    else response.end(readFileSync(file))
  })
  const peers = [await startSeed(file, source).readyEndpoint()]
  const get = startGet(`${base}/download?id=7`, target, { peers, args: ['--exit'] })
  expect((await get.exitWithin(60_000)).code).toBe(0)
  expect(treeDifferences(source, target)).toEqual([])
})

test('what is no torrent is named with a code and a hint, and nothing is written', async () => {
  const { target } = stage()
  const base = await serveWeb(({ url: path }, response) => {
    if (path === '/page') response.end('<!doctype html><title>Sign in</title>')
    else response.writeHead(404).end()
  })
  const run = (url: string) =>
    runShoal(['get', url, '--dir', join(target, 'new'), ...peerArguments({}), '--exit'])
  for (const [path, code, words] of [
    ['/page', 'bencode/', 'a web page'],
    ['/none', 'input/bad-url', 'HTTP status 404'],
    [':port', 'input/bad-url', 'no address'],
  ] as const) {
    const { code: status, events } = await run(base + path)
    const error = events.find(({ event }) => event === 'error')!
    expect(status).toBe(2)
    expect(error.code).toContain(code)
    expect(`${error.message} ${error.hint}`).toContain(words)
  }
  expect(treeDifferences(target, stage().target)).toEqual([])
})

test('Ctrl+C while the web server is silent is no bug', async () => {
  const { target } = stage()
  const asked = Promise.withResolvers<void>()
  const get = startGet(`${await serveWeb(() => asked.resolve())}/slow`, target)
  await asked.promise
  get.signal('SIGINT')
  expect((await get.exitWithin(60_000)).code).toBe(1)
  expect(get.all('error').map(({ code }) => code)).toEqual(['transfer/stopped'])
})

test('a program that waits for what never comes does not end as if all were well', () => {
  const lost = `import http from 'node:http'; import { EventEmitter } from 'node:events'
    http.request = () => Object.assign(new EventEmitter(), { end() {} })`
  const args = [
    '--import',
    `data:text/javascript,${encodeURIComponent(lost)}`,
    MAIN,
    'get',
    'http://127.0.0.1/a',
  ]
  expect(spawnSync(NODE, args, { cwd: stage().target }).status).toBe(1)
})
