/** What is asked of a web seed: a run of bytes of one file (BEP 19; RFC 9110, section 14). */
import type { AddressScope } from './address-scope.ts'

export interface RangeRequest {
  readonly url: string
  /** How far the server's address must reach. */
  readonly scopeMin: AddressScope
  /** First byte within the file. */
  readonly offset: number
  readonly length: number
  readonly fileLength: number
}
