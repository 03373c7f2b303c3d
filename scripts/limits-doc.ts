/**
 * Writes docs/limits.md from the one table of limits (src/base/limits.ts): `node scripts/limits-doc.ts`.
 * The tidy test compares the file with what is made here.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LIMITS, type Limit } from '../src/base/limits.ts'
import { settingText } from '../src/cli/setting-text.ts'
import { SETTING_NAMES, settingFlag, settingOf } from '../src/cli/settings.ts'

const INTRODUCTION = `# Limits

Every bound on what others can make Shoal hold or do. Beyond a limit Shoal refuses with an error that has a name; it never grows.
Bytes are plain numbers; the unit stands at the end of a name. Made from \`src/base/limits.ts\` by \`node scripts/limits-doc.ts\`.

| limit | value | what it bounds | where the figure comes from |
|---|---:|---|---|
`

const SETTINGS_INTRODUCTION = `
## What you can set

Every number you can set: a rate, a count, a size or a time-out. What lies outside its range is refused in one line with exit status 2,
and so are settings that contradict one another. \`shoal config\` shows the values in force and where each comes from.

| option | default | least | most | what it does |
|---|---:|---:|---:|---|
`

function settingRows(): string[] {
  return SETTING_NAMES.flatMap((name) => {
    const { kind, default: value, about, isLater } = settingOf(name)
    if ((kind.min === undefined && kind.max === undefined) || isLater) return []
    const shown = (bound: number | undefined) => (bound === undefined ? '' : settingText(kind, bound))
    return `| \`${settingFlag(name)}\` | ${settingText(kind, value)} | ${shown(kind.min)} | ${shown(kind.max)} | ${cell(about)} |\n`
  })
}

export function limitsDocument(): string {
  const rows = Object.entries<Limit>(LIMITS).map(
    ([name, { value, reason, source }]) =>
      `| \`${name}\` | ${value.toLocaleString('en-US')} | ${cell(reason)} | ${cell(source)} |\n`,
  )
  return INTRODUCTION + rows.join('') + SETTINGS_INTRODUCTION + settingRows().join('')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '..', 'docs', 'limits.md'), limitsDocument())
