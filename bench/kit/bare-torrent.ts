/** A bare program reads a `.torrent` (v1, BEP 3), without asking whether it is right. */
import type { Shared } from './bare-shared.ts'

interface Torrent {
  readonly name: string
  readonly isFolder: boolean
  readonly pieceLength: number
  readonly pieces: Buffer
  readonly fileCount: number
}

/** Puts the files where both threads find them. */
export function readTorrent(bytes: Buffer, { ends, paths, pathEnds }: Shared): Torrent {
  let at = 0
  let fileCount = 0
  let pathEnd = 0
  let total = 0
  let pieceLength = 0
  let name = ''
  let pieces = bytes
  let isFolder = false
  eachKey((key) => {
    if (key !== 'info') skip()
    else eachKey(readInfo)
  })
  if (!isFolder) {
    pathEnds[0] = paths.write(name)
    ends[0] = total
    fileCount = 1
  }
  return { name, isFolder, pieceLength, pieces, fileCount }

  function readInfo(key: string): void {
    if (key === 'files') {
      isFolder = true
      for (at++; bytes[at] !== 0x65; ) {
        eachKey(readFile)
        ends[fileCount] = total
        pathEnds[fileCount++] = pathEnd
      }
      at++
    } else if (key === 'length') total = readInteger()
    else if (key === 'name') name = bytes.toString('utf8', readLength(), at)
    else if (key === 'piece length') pieceLength = readInteger()
    else if (key === 'pieces') pieces = bytes.subarray(readLength(), at)
    else skip()
  }

  function readFile(key: string): void {
    if (key === 'length') total += readInteger()
    else if (key === 'path') {
      const first = pathEnd
      for (at++; bytes[at] !== 0x65; ) {
        if (pathEnd > first) paths[pathEnd++] = 0x2f
        pathEnd += bytes.copy(paths, pathEnd, readLength(), at)
      }
      at++
    } else skip()
  }

  function eachKey(readValue: (key: string) => void): void {
    for (at++; bytes[at] !== 0x65; ) readValue(bytes.toString('latin1', readLength(), at))
    at++
  }

  function skip(): void {
    const first = bytes[at]
    if (first === 0x69) readInteger()
    else if (first === 0x6c || first === 0x64) {
      for (at++; bytes[at] !== 0x65; ) skip()
      at++
    } else readLength()
  }

  function readInteger(): number {
    at++
    return readDigits()
  }

  /** Goes to the end of a string. @returns where it begins */
  function readLength(): number {
    const length = readDigits()
    const start = at
    at += length
    return start
  }

  /** And what ends them. */
  function readDigits(): number {
    let number = 0
    for (let byte = bytes[at++]!; byte >= 0x30; byte = bytes[at++]!) {
      if (byte > 0x39) break
      number = 10 * number + byte - 0x30
    }
    return number
  }
}
