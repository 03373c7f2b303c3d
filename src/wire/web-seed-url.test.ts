import { expect, test } from 'vitest'
import { encodeUtf8 } from '../base/text.ts'
import { isWebSeedUrl, webSeedFileUrl, webSeedName } from './web-seed-url.ts'

function url(base: string, isSingleFile: boolean, name: string, path: string[] = [], raw?: Uint8Array[]) {
  const file = { path, rawPath: raw ?? path.map(encodeUtf8) }
  return webSeedFileUrl(base, { name, rawName: encodeUtf8(name), isSingleFile }, file)
}

test('of a single file the address is that of the file, or of the folder it stands in (BEP 19)', () => {
  expect(url('http://w/other.iso', true, 'a b.iso')).toBe('http://w/other.iso')
  expect(url('http://w/mirror/', true, 'a b.iso')).toBe('http://w/mirror/a%20b.iso')
})

test('several files stand in a folder with the name of the torrent', () => {
  expect(url('http://w/mirror/', false, 'lib', ['ä', 'x#?.jpg'])).toBe(
    'http://w/mirror/lib/%C3%A4/x%23%3F.jpg',
  )
  expect(url('http://w/mirror', false, 'lib', ['a'])).toBe('http://w/mirror/lib/a')
})

test('bytes go out as they stand in the torrent, whatever their encoding', () => {
  expect(url('http://w/', false, 'lib', ['a_'], [Uint8Array.of(0x61, 0xe9)])).toBe('http://w/lib/a%E9')
})

test('a name cannot climb out of its folder', () => {
  const raw = [encodeUtf8('..'), encodeUtf8('a/../b')]
  expect(url('http://w/', false, 'lib', ['_', 'a_.._b'], raw)).toBe('http://w/lib/_/a%2F..%2Fb')
})

test('fragments are for browsers', () => {
  expect(url('http://w/#x', true, 'f')).toBe('http://w/f')
})

test('HTTP and HTTPS addresses are used, and no others', () => {
  expect(isWebSeedUrl('HTTPS://w/')).toBe(true)
  for (const other of [
    'ftp://w/',
    'http://',
    'http:///x',
    'file:///etc',
    'w',
    `http://w/${'x'.repeat(9000)}`,
  ])
    expect(isWebSeedUrl(other)).toBe(false)
})

test('what is shown of an address has no secrets', () => {
  expect(webSeedName('https://me:secret@w:8080/a/?key=1#x')).toBe('https://w:8080/a/')
})
