/**
 * The one error class a user meets: a stable code (docs/errors.md), a line that says what is
 * wrong, a line that says what to do.
 * The CLI prints message and hint and maps the code to an exit status; the API maps it to a problem document.
 */
import type { Fault } from '../base/result.ts'

export class ShoalError extends Error {
  override name = 'ShoalError'
  readonly code: string
  readonly hint: string | undefined

  constructor(code: string, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.hint = hint
  }

  static from(fault: Fault): ShoalError {
    return new ShoalError(fault.code, fault.message, fault.hint)
  }
}
