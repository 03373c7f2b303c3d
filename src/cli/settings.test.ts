import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { PROFILES } from '../profiles.ts'
import type { ConfigFile } from './config-file.ts'
import { parseSetting } from './setting-parser.ts'
import { settingText } from './setting-text.ts'
import {
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  settingFlag,
  settingKey,
  settingOf,
  settingVariable,
} from './settings.ts'
import { resolveSettings, type SettingSources, unknownVariables } from './settings-resolution.ts'

function file(values: Record<string, unknown> = {}): ConfigFile {
  return { path: 'config.json', isPresent: true, values }
}

function resolve(sources: Partial<SettingSources>) {
  const { settings, resolved } = resolveSettings({ flags: {}, environment: {}, file: file(), ...sources })
  const origin = (name: SettingName) => resolved.find((entry) => entry.name === name)!.origin
  return { settings, origin }
}

function refusal(sources: Partial<SettingSources>): ShoalError {
  try {
    resolve(sources)
  } catch (error) {
    if (error instanceof ShoalError) return error
    throw error
  }
  throw new Error('was accepted')
}

describe('the table', () => {
  test('keys and variables are unique; a flag is shared only by port', () => {
    const flags = SETTING_NAMES.map(settingFlag)
    expect(new Set(SETTING_NAMES.map(settingKey)).size).toBe(SETTING_NAMES.length)
    expect(new Set(SETTING_NAMES.map(settingVariable)).size).toBe(SETTING_NAMES.length)
    expect(flags.filter((flag, i) => flags.indexOf(flag) !== i)).toEqual(['--port'])
  })

  test.each(SETTING_NAMES)('%s accepts its own default and every profile’s value, as text', (name) => {
    const { kind } = settingOf(name)
    const presets = Object.values(PROFILES).map(
      (profile) => profile.settings[name as Exclude<SettingName, 'profile'>],
    )
    for (const value of [SETTINGS[name].default, ...presets]) {
      if (value === undefined || Array.isArray(value) || kind.type === 'verbosity') continue
      expect(parseSetting(kind, settingText(kind, value))).toEqual({ ok: true, value })
    }
  })
})

describe('origins', () => {
  const flags = { uploadLimit: '1MB/s' }
  const environment = { SHOAL_UPLOAD_LIMIT: '2MB/s' }
  const inFile = file({ 'upload-limit': '3MB/s' })

  test('flag, environment, file, profile, default, in this order', () => {
    expect(resolve({ flags, environment, file: inFile }).settings.uploadLimit).toBe(1_000_000)
    expect(resolve({ environment, file: inFile }).settings.uploadLimit).toBe(2_000_000)
    expect(resolve({ file: inFile }).settings.uploadLimit).toBe(3_000_000)
    expect(resolve({}).settings.uploadLimit).toBe('off')
    expect(resolve({ flags: { profile: 'memes' } }).settings.pieceLength).toBe(256_000)
    expect(resolve({ flags: { profile: 'memes', pieceLength: '16KiB' } }).settings.pieceLength).toBe(16_384)
  })

  test('each value says where it comes from', () => {
    const { origin } = resolve({
      flags: { maxPeers: '7' },
      environment: { SHOAL_PROFILE: 'lab' },
      file: file({ pex: false }),
    })
    expect([
      origin('maxPeers'),
      origin('profile'),
      origin('pex'),
      origin('finalCheck'),
      origin('host'),
    ]).toEqual(['flag', 'environment', 'file', 'profile', 'default'])
  })

  test('an empty variable counts as none, a list is split at commas and spaces', () => {
    expect(resolve({ environment: { SHOAL_UPLOAD_LIMIT: '' } }).origin('uploadLimit')).toBe('default')
    expect(resolve({ environment: { SHOAL_PEER: '127.0.0.1:1, [::1]:2' } }).settings.peer).toEqual([
      { host: '127.0.0.1', port: 1 },
      { host: '::1', port: 2 },
    ])
  })

  test('a JSON file may hold numbers, booleans and lists', () => {
    const { settings } = resolve({
      file: file({ 'max-peers': 9, lan: false, tracker: ['http://a:1', 'udp://b:2'], heartbeat: 2.5 }),
    })
    expect(settings).toMatchObject({
      maxPeers: 9,
      lan: false,
      tracker: ['http://a:1/announce', 'udp://b:2'],
      heartbeat: 2500,
    })
  })

  test('verbosity: a category alone is level 1, categories are independent', () => {
    expect(resolve({ flags: { verbose: ['fetch=2', 'tracker'] } }).settings.verbose).toEqual({
      tracker: 1,
      serve: 0,
      fetch: 2,
    })
  })
})

describe('refusals are one line that names what to change', () => {
  test.each<[Partial<SettingSources>, string, string]>([
    [{ flags: { pieceLength: '3' } }, 'usage/bad-setting', '--piece-length must be >= 16KiB (or auto)'],
    [{ flags: { pieceLength: '-5' } }, 'usage/bad-setting', '--piece-length must be >= 16KiB (or auto)'],
    [{ flags: { port: 'nan' } }, 'usage/bad-setting', '--port must be a whole number (or auto)'],
    [{ flags: { port: '65536' } }, 'usage/bad-setting', '--port must be <= 65535 (or auto)'],
    [{ flags: { maxPeers: '' } }, 'usage/bad-setting', '--max-peers must not be empty'],
    [
      { flags: { picker: 'best' } },
      'usage/bad-setting',
      '--picker must be one of rarest, sequential, random',
    ],
    [
      { flags: { peer: ['127.0.0.1'] } },
      'usage/bad-setting',
      '--peer must be HOST:PORT such as 127.0.0.1:6881 or [::1]:6881',
    ],
    [
      { flags: { host: 'localhost' } },
      'usage/bad-setting',
      '--host must be a numeric IP address such as 127.0.0.1 or ::1',
    ],
    [{ environment: { SHOAL_MAX_PEERS: '0' } }, 'usage/bad-setting', 'SHOAL_MAX_PEERS must be >= 1'],
    [
      { file: file({ heartbeat: '1ms' }) },
      'usage/bad-setting',
      'config.json: heartbeat must be >= 100ms (or off)',
    ],
    [{ file: file({ uplaod: 1 }) }, 'usage/unknown-setting', 'config.json: there is no setting "uplaod"'],
    [
      { flags: { tracker: ['http://a'], useTracker: false } },
      'usage/contradiction',
      '--tracker and --no-tracker contradict one another',
    ],
    [
      { flags: { useTracker: false, requireTracker: true } },
      'usage/contradiction',
      '--require-tracker and --no-tracker contradict one another',
    ],
    [
      { flags: { pieceLength: '256000', format: 'v2' } },
      'usage/contradiction',
      '--piece-length must be a power of two in format v2',
    ],
    [
      { flags: { oneAtATime: true, uploadSlots: '4' } },
      'usage/contradiction',
      '--one-at-a-time and --upload-slots contradict one another',
    ],
  ])('%j', (sources, code, message) => expect(refusal(sources)).toMatchObject({ code, message }))

  test('what a profile presets contradicts nobody', () => {
    for (const profile of Object.keys(PROFILES))
      expect(resolve({ flags: { profile } }).settings.profile).toBe(profile)
  })

  test('no text makes resolution fail in any other way', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SETTING_NAMES), fc.string(), (name, text) => {
        try {
          resolve({ flags: { [name]: text } })
        } catch (error) {
          expect(error).toBeInstanceOf(ShoalError)
          expect((error as ShoalError).message).not.toContain('\n')
        }
      }),
    )
  })
})

test('variables that nothing reads are noticed', () => {
  const environment = { SHOAL_UPLOAD_LIMT: '1', SHOAL_UPLOAD_LIMIT: '1', SHOAL_CONFIG: 'x', PATH: '' }
  expect(unknownVariables(environment)).toEqual([{ name: 'SHOAL_UPLOAD_LIMT', guess: 'SHOAL_UPLOAD_LIMIT' }])
})
