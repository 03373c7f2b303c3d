import { expect, test } from 'vitest'
import { readRangeReply, type WebSeedReplyHead } from './web-seed-reply.ts'

const MIB = 1024 * 1024

/** The answer to a request for [offset, offset + length) of a file. */
function read(head: Partial<WebSeedReplyHead>, offset = 100, length = 50, fileLength = 1000) {
  const none = { contentRange: undefined, contentEncoding: undefined, contentLength: undefined }
  const result = readRangeReply(
    { status: 206, retryAfter: undefined, ...none, ...head },
    offset,
    length,
    fileLength,
  )
  return result.ok ? result.value : result.error.code
}

test('206 with the range that was asked for, or the first part of it', () => {
  expect(read({ contentRange: 'bytes 100-149/1000' })).toEqual({ skip: 0, length: 50 })
  expect(read({ contentRange: 'Bytes 100-149/*' })).toEqual({ skip: 0, length: 50 })
  expect(read({ contentRange: 'bytes 100-119/1000' })).toEqual({ skip: 0, length: 20 })
})

test.each([
  undefined,
  'bytes 0-49/1000',
  'bytes 100-150/1000',
  'bytes 120-110/1000',
  'bytes */1000',
  `bytes 100-${'9'.repeat(400)}/1000`,
])('206 with another range: %s', (contentRange) => {
  expect(read({ contentRange })).toBe('web-seed/wrong-range')
})

test('a file of another length is another file', () => {
  expect(read({ contentRange: 'bytes 100-149/999' })).toBe('web-seed/wrong-file')
  expect(read({ status: 200, contentLength: '999' })).toBe('web-seed/wrong-file')
  expect(read({ status: 416 })).toBe('web-seed/wrong-file')
})

test('200 is the whole file: taken while what is wanted stands near its beginning', () => {
  expect(read({ status: 200, contentLength: '1000' })).toEqual({ skip: 100, length: 50 })
  expect(read({ status: 200 }, 0, 4 * MIB, 9 * MIB)).toEqual({ skip: 0, length: 4 * MIB })
  expect(read({ status: 200 }, MIB, 10, 9 * MIB)).toEqual({ skip: MIB, length: 10 })
  expect(read({ status: 200 }, MIB + 1, 10, 9 * MIB)).toBe('web-seed/no-ranges')
})

test('nothing packed is unpacked', () => {
  expect(read({ contentRange: 'bytes 100-149/1000', contentEncoding: 'gzip' })).toBe('web-seed/encoded')
  expect(read({ contentRange: 'bytes 100-149/1000', contentEncoding: ' Identity' })).toEqual({
    skip: 0,
    length: 50,
  })
})

test('a refusal is about the file, about now, or about us', () => {
  for (const status of [403, 404, 410]) expect(read({ status })).toBe('web-seed/file-missing')
  for (const status of [429, 503]) expect(read({ status })).toBe('web-seed/busy')
  for (const status of [408, 500, 502, 599]) expect(read({ status })).toBe('web-seed/failed')
  for (const status of [0, 204, 304, 400, 401, 999])
    expect(['web-seed/refused', 'web-seed/failed']).toContain(read({ status }))
})

test('Retry-After in seconds is understood; anything else is no time', () => {
  const busy = (retryAfter: string) => {
    const result = readRangeReply(
      {
        status: 503,
        retryAfter,
        contentRange: undefined,
        contentEncoding: undefined,
        contentLength: undefined,
      },
      0,
      1,
      1,
    )
    return result.ok ? undefined : result.error.retryAfterSeconds
  }
  expect(busy('120')).toBe(120)
  for (const other of ['soon', '-1', '1e9', 'Fri, 31 Dec 1999 23:59:59 GMT', '9'.repeat(30)])
    expect(busy(other)).toBeUndefined()
})
