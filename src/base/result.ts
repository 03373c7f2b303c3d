/**
 * Results of work on data from outside: a value or a `Fault`, never an exception.
 * A fault's `code` is its identity (`area/what-went-wrong`, listed in docs/errors.md); texts are
 * for people and are never parsed.
 */

export interface Fault {
  readonly code: string
  /** One line: what is wrong. */
  readonly message: string
  /** One line: what to do about it. */
  readonly hint?: string
}

export type Result<T, E extends Fault = Fault> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E }

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

export function fail(
  code: string,
  message: string,
  hint?: string,
): { readonly ok: false; readonly error: Fault } {
  return { ok: false, error: hint === undefined ? { code, message } : { code, message, hint } }
}
