/**
 * What the operating system says about a file, said so that a person knows what to do.
 * Invariant: every code below starts with `storage/`; the original error stays reachable as `cause`.
 */
import { CONTENT_GONE } from '../swarm/pause.ts'
import { ShoalError } from './shoal-error.ts'

type Explanation = readonly [code: string, what: string, hint: string]

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ENOENT: ['storage/not-found', 'does not exist', 'Check the path; the file may have been moved or deleted.'],
  ELOOP: [
    'storage/symlink',
    'is a symbolic link',
    'Links inside a content folder are never followed; replace it by the file.',
  ],
  ENOTDIR: [
    'storage/not-a-folder',
    'is not a folder',
    'A file stands where a folder is needed; move it away.',
  ],
  EISDIR: [
    'storage/not-a-file',
    'is not a regular file',
    'Only regular files are read and written; move it away.',
  ],
  ENOSPC: [
    'storage/disk-full',
    'cannot grow: the disk is full',
    'Free some space; a download goes on by itself.',
  ],
  EDQUOT: [
    'storage/quota-full',
    'cannot grow: your quota is used up',
    'Free some of your space; a download goes on by itself.',
  ],
  EROFS: [
    'storage/read-only',
    'is on a file system that is mounted read-only',
    'Mount it writable, or choose a folder on another one.',
  ],
  EIO: [
    'storage/io-error',
    'cannot be read or written: the disk reports an error',
    'Check the disk and its cable; the system log says more.',
  ],
  EFBIG: [
    'storage/too-large',
    'is too large for this file system',
    'Choose a folder on another file system.',
  ],
  EMFILE: [
    'storage/too-many-files',
    'cannot be opened: too many open files',
    'Raise the limit of open files (ulimit -n).',
  ],
  ENAMETOOLONG: [
    'storage/name-too-long',
    'has too long a name for this file system',
    'Choose a shorter folder or another file system.',
  ],
  EACCES: [
    'storage/unreadable',
    'may not be read',
    'Give yourself read permission on it and on its folders.',
  ],
}
const ALIASES: Readonly<Record<string, string>> = {
  ENXIO: 'EISDIR',
  ENODEV: 'EISDIR',
  ENFILE: 'EMFILE',
  EPERM: 'EACCES',
}
const UNWRITABLE: Explanation = [
  'storage/unwritable',
  'may not be written',
  'Give yourself write permission on it and on its folder.',
]
const BROKEN: Explanation = [
  'storage/io-error',
  'cannot be used',
  'Check the disk and the path, then try again.',
]

/** The file error with this errno name, such as `ENOENT`; `path` is shown, never parsed. */
export function explainedError(errno: string, path: string, isWriting: boolean, cause?: unknown): ShoalError {
  const name = ALIASES[errno] ?? errno
  const [code, what, hint] = name === 'EACCES' && isWriting ? UNWRITABLE : (EXPLANATIONS[name] ?? BROKEN)
  const known = name in EXPLANATIONS ? '' : ` (${errno})`
  return new ShoalError(code, `${path} ${what}${known}`, hint, cause === undefined ? {} : { cause })
}

/** Nothing of a torrent's content is where it was. */
export function contentGone(root: string): ShoalError {
  return new ShoalError(
    CONTENT_GONE,
    `the content is not in ${root} any more`,
    'Put it back, or mount its volume: it goes on by itself. To download anew, stop and start again.',
  )
}

/** Any exception of `node:fs` as a ShoalError; one that is none of theirs comes back as it is. */
export function storageError(cause: unknown, path: string, isWriting = false): unknown {
  if (cause instanceof ShoalError || !(cause instanceof Error)) return cause
  const errno = errnoOf(cause)
  return errno === undefined ? cause : explainedError(errno, path, isWriting, cause)
}

/** The errno name of an exception of `node:fs`, undefined for anything else. */
export function errnoOf(cause: unknown): string | undefined {
  const code = cause instanceof Error && 'syscall' in cause && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' ? code : undefined
}
