/** `shoal config`: every setting, its effective value, and where that value comes from. */
import type { CommandContext } from './command-context.ts'
import { readConfigFile } from './config-file.ts'
import type { Kind } from './setting-kinds.ts'
import { plainSetting, settingText } from './setting-text.ts'
import { type SettingName, settingFlag, settingKey, settingOf, settingVariable } from './settings.ts'
import type { ResolvedSetting } from './settings-resolution.ts'

export async function run({ output, resolved }: CommandContext): Promise<number> {
  const file = readConfigFile(process.env)
  const settings: Record<string, unknown> = {}
  for (const entry of resolved) {
    const { kind, isLater = false } = settingOf(entry.name)
    const about = meaningOf(entry.name)
    const name = settingKey(entry.name)
    const value = plainSetting(kind, entry.value)
    settings[name] = value
    const { origin, source } = entry
    const where = { origin, source, flag: settingFlag(entry.name), variable: settingVariable(entry.name) }
    if (output.isJson)
      output.event({
        event: 'setting',
        name,
        value,
        unit: UNITS[kind.type] ?? null,
        min: bound(kind, kind.min),
        max: bound(kind, kind.max),
        ...where,
        about,
        hasEffect: !isLater,
      })
  }
  output.table(
    [{ title: 'setting' }, { title: 'value' }, { title: 'from' }, { title: 'meaning', isFlexible: true }],
    resolved.map(row),
  )
  output.text('', `configuration file: ${file.path}${file.isPresent ? '' : ' (none there)'}`)
  if (output.isJson)
    output.event({ event: 'config', file: file.path, isFilePresent: file.isPresent, settings })
  return 0
}

/** What a bare number of the kind means to other programs. */
const UNITS: Readonly<Partial<Record<Kind<unknown>['type'], string>>> = {
  size: 'bytes',
  rate: 'bytes per second',
  duration: 'seconds',
}

/** In the same unit as the value; null for none. */
function bound(kind: Kind<unknown>, value: number | undefined): unknown {
  return value === undefined ? null : plainSetting(kind, value)
}

function row({ name, value, origin, source }: ResolvedSetting): string[] {
  const { kind } = settingOf(name)
  const from = origin === 'default' ? 'default' : origin === 'file' ? 'file' : `${origin} ${source}`
  return [settingKey(name), settingText(kind, value) || '-', from, meaningOf(name)]
}

function meaningOf(name: SettingName): string {
  const { about, isLater } = settingOf(name)
  return isLater ? `${about} (accepted, but without effect in this version)` : about
}
