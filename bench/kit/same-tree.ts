/** Compares what arrived with the source, byte by byte. */
import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import path from 'node:path'

const CHUNK_LENGTH = 1024 * 1024
/** Control files of the programs, beside the content. */
const NOT_CONTENT = /(^|\/)\.shoal(\/|$)|\.aria2$/

/** Throws with the first difference. Both are files, or both are folders. */
export function requireSame(source: string, copy: string): void {
  const expected = filesOf(source)
  const found = filesOf(copy)
  const missing = [...expected].find((file) => !found.has(file))
  const extra = [...found].find((file) => !expected.has(file))
  if (missing !== undefined) throw new Error(`${path.join(copy, missing)} did not arrive`)
  if (extra !== undefined) throw new Error(`${path.join(copy, extra)} is not of the content`)
  for (const file of expected) requireSameFile(path.join(source, file), path.join(copy, file))
}

/** Relative paths; '' for a file itself. */
function filesOf(root: string): Set<string> {
  const stat = lstatSync(root, { throwIfNoEntry: false })
  if (stat === undefined) throw new Error(`${root} did not arrive`)
  if (stat.isFile()) return new Set([''])
  const entries = readdirSync(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => !entry.isDirectory())
  const names = files.map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
  return new Set(names.filter((name) => !NOT_CONTENT.test(name)))
}

const chunks = [Buffer.alloc(CHUNK_LENGTH), Buffer.alloc(CHUNK_LENGTH)] as const

function requireSameFile(source: string, copy: string): void {
  const descriptors = [openSync(source, 'r'), openSync(copy, 'r')] as const
  try {
    for (let length = -1; length !== 0; ) {
      length = readSync(descriptors[0], chunks[0])
      const lengthOfCopy = readSync(descriptors[1], chunks[1])
      if (!chunks[0].subarray(0, length).equals(chunks[1].subarray(0, lengthOfCopy)))
        throw new Error(`${copy} differs from its source`)
    }
  } finally {
    for (const fd of descriptors) closeSync(fd)
  }
}
