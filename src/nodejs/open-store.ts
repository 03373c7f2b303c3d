/**
 * The store that `--store` names: `memory`, `sqlite:FILE`, or `auto`, which is a file of this tracker's own
 * in the user's data folder, since a catalog is expected to be there tomorrow. A tracker on a free port has
 * no address that lasts, so its `auto` is memory.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { MemoryStore } from './memory-store.ts'
import { ShoalError } from './shoal-error.ts'
import { SqliteStore } from './sqlite-store.ts'
import type { Store } from './store.ts'

const SQLITE = 'sqlite:'

/**
 * Throws ShoalError `usage/bad-option` or `store/…`.
 * @param port what the tracker was told to listen on; 0 = any free one
 */
export async function openStore(
  name: string,
  port: number,
  onFailure: (error: unknown) => void = () => {},
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Store> {
  if (name === 'memory' || (name === 'auto' && port === 0)) return new MemoryStore()
  if (name === 'auto') return SqliteStore.open(defaultFile(port, environment), onFailure)
  if (name.startsWith(SQLITE) && name.length > SQLITE.length)
    return SqliteStore.open(name.slice(SQLITE.length), onFailure)
  throw new ShoalError(
    'usage/bad-option',
    '--store must be sqlite:FILE, memory or redis://HOST:PORT',
    'Leave it out for a file in your data folder.',
  )
}

function defaultFile(port: number, environment: Readonly<Record<string, string | undefined>>): string {
  const data = environment.XDG_DATA_HOME || join(homedir(), '.local', 'share')
  return join(data, 'shoal', `tracker-${port}.sqlite`)
}
