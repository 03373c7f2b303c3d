import { expect, test } from 'vitest'
import { redactText, redactValue } from './redact.ts'

const KEY = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE'

test.each([
  [`http://t.example:6969/${KEY}/announce`, 'http://t.example:6969/***/announce'],
  [`GET /${KEY}/scrape?info_hash=%01`, 'GET /***/scrape?info_hash=%01'],
  [
    'https://t.example/announce?passkey=0123456789abcdef&left=0',
    'https://t.example/announce?passkey=***&left=0',
  ],
  ['http://anna:geheim@t.example/announce', 'http://***@t.example/announce'],
  [`http://t.example:6969/join#${KEY}`, 'http://t.example:6969/join#***'],
  [`authorization: Bearer ${KEY}`, 'authorization: Bearer ***'],
])('%s', (text, expected) => {
  expect(redactText(text)).toBe(expected)
  expect(redactText(expected)).toBe(expected)
})

test.each([
  'http://127.0.0.1:6969/announce',
  'udp://t.example:80/announce',
  'magnet:?xt=urn:btih:986259300ec1313fd9e001ab286510658317da9d&dn=key',
  'pictures/2024/announce.jpg',
  '',
])('%s stays', (text) => {
  expect(redactText(text)).toBe(text)
})

test('data is redacted however deep, and by the names of fields', () => {
  const event = {
    event: 'x',
    count: 3,
    list: [{ tracker: `http://t/${KEY}/announce` }],
    passkey: 'short',
    none: null,
  }
  expect(redactValue(event)).toEqual({
    event: 'x',
    count: 3,
    list: [{ tracker: 'http://t/***/announce' }],
    passkey: '***',
    none: null,
  })
})

test('a text of a million characters is no work, whatever it is made of', () => {
  for (const part of ['a.', 'a-', '/a', '://', 'a://', '/join#', 'Bearer ', '?key=', `/${KEY}`]) {
    const text = part.repeat(1_000_000 / part.length)
    expect(redactText(text).length, part).toBeLessThanOrEqual(text.length)
  }
})
