/**
 * Writes docs/limits.md from the one table of limits (src/base/limits.ts): `node scripts/limits-doc.ts`.
 * The tidy test compares the file with what is made here.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LIMITS, type Limit } from '../src/base/limits.ts'

const INTRODUCTION = `# Limits

Every bound on what others can make Shoal hold or do. Beyond a limit Shoal refuses with an error that has a name; it never grows.
Bytes are plain numbers; the unit stands at the end of a name. Made from \`src/base/limits.ts\` by \`node scripts/limits-doc.ts\`.

| limit | value | what it bounds | where the figure comes from |
|---|---:|---|---|
`

export function limitsDocument(): string {
  const rows = Object.entries<Limit>(LIMITS).map(
    ([name, { value, reason, source }]) =>
      `| \`${name}\` | ${value.toLocaleString('en-US')} | ${cell(reason)} | ${cell(source)} |\n`,
  )
  return INTRODUCTION + rows.join('')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '..', 'docs', 'limits.md'), limitsDocument())
