/**
 * Which exit status an error means: 2 for bad usage and bad input, 1 for work that failed. Decided by the
 * error's code, never by its text.
 */

/** Areas in which every error is about what the program was given. */
const INPUT_AREAS: ReadonlySet<string> = new Set([
  'usage',
  'input',
  'bencode',
  'metainfo',
  'magnet',
  'merkle',
  'names',
  'create',
])

/**
 * Codes of other areas that are about what the program was given: paths, addresses, a
 * tracker that must be there.
 */
const INPUT_CODES: ReadonlySet<string> = new Set([
  'storage/not-found',
  'storage/not-a-folder',
  'storage/not-a-file',
  'storage/read-only',
  'storage/unreadable',
  'storage/unwritable',
  'listen/port-in-use',
  'listen/not-permitted',
  'listen/no-such-address',
  'tracker/required',
  'store/bad-url',
  'store/not-ours',
  'store/too-new',
  'tracker/none-registered',
  'payload/bad-id',
  'payload/not-text',
  'payload/too-large',
])

export function exitStatusOf(code: string): 1 | 2 {
  return INPUT_AREAS.has(code.split('/', 1)[0]!) || INPUT_CODES.has(code) ? 2 : 1
}
