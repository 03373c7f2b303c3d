/**
 * The shape of every stateful part below the edge: a synchronous machine that is told what happened and when,
 * and is then asked what it wants done. It owns no socket, no timer and no promise, so the same code runs on
 * Node.js and in the simulator.
 *
 * Invariants: `handle` never re-enters and never throws on remote data; `poll` is drained until
 * `undefined` before the next `handle`; buffers in inputs are borrowed until `handle` returns, buffers in
 * outputs belong to the receiver.
 */
import type { Instant } from './time.ts'

export interface Machine<Input, Output> {
  handle(now: Instant, input: Input): void
  poll(): Output | undefined
  /** When `handle(now, { kind: 'tick' })` is wanted, or undefined for never. */
  nextTimeout(): Instant | undefined
}
