/**
 * The walls between the folders stand because the compiler holds them, and this proves that it does: the real
 * TypeScript projects, each filled with one small file, compile; then wrong files are planted, and each must
 * be refused with the error named here while everything else still compiles.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PURE_FOLDERS } from './layers.ts'
import { ROOT } from './project-files.ts'

const folders = PURE_FOLDERS.filter((folder) => existsSync(join(ROOT, 'src', folder)))

/** From a folder to one it must not know. */
const CROSSINGS: readonly (readonly [from: string, to: string])[] = [
  ['base', 'wire'],
  ['wire', 'swarm'],
  ['swarm', 'tracker'],
  ['tracker', 'swarm'],
  ['swarm', 'ports'],
  ['ports', 'runtime'],
]

/** What no pure folder may use, and the compiler's error about it. */
const PLATFORM: Record<string, { text: string; error: RegExp }> = {
  setTimeout: { text: 'setTimeout(() => {}, 1)', error: /TS2304: Cannot find name 'setTimeout'/ },
  Buffer: { text: "export const bytes = Buffer.from('a')", error: /TS25\d\d: Cannot find name 'Buffer'/ },
  process: { text: 'export const where = process.cwd()', error: /TS25\d\d: Cannot find name 'process'/ },
  fetch: { text: "fetch('http://tracker')", error: /TS2304: Cannot find name 'fetch'/ },
  TextDecoder: { text: 'new TextDecoder()', error: /TS2304: Cannot find name 'TextDecoder'/ },
  console: { text: "console.log('a')", error: /TS25\d\d: Cannot find name 'console'/ },
  document: { text: 'document.title', error: /TS25\d\d: Cannot find name 'document'/ },
  'node:fs': { text: "export { readFileSync } from 'node:fs'", error: /TS\d+: Cannot find .*'node:fs'/ },
  enum: { text: 'export enum Kind { a }', error: /TS1294/ },
  'parameter property': {
    text: 'export class Peer { constructor(readonly id: number) {} }',
    error: /TS1294/,
  },
}

let copy: string
let saidWithoutOffenders: string
let said: string

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'shoal-walls-'))
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  mkdirSync(join(copy, 'src'))
  const settings = ['package.json', 'tsconfig.base.json', 'tsconfig.json', 'src/tsconfig.json']
  for (const file of settings) cpSync(join(ROOT, file), join(copy, file))
  write(
    'src/main.ts',
    "import { readFileSync } from 'node:fs'\nsetTimeout(() => Buffer.concat([readFileSync(process.execPath)]), 1)",
  )
  for (const folder of folders) {
    mkdirSync(join(copy, 'src', folder))
    cpSync(join(ROOT, 'src', folder, 'tsconfig.json'), join(copy, 'src', folder, 'tsconfig.json'))
    write(`src/${folder}/stone.ts`, `export const stone: string = '${folder}'`)
  }
  write('src/swarm/allowed.ts', "export { stone } from '../wire/stone.ts'")
  saidWithoutOffenders = compile()
  for (const [from, to] of CROSSINGS) write(planted(from, to), `export { stone } from '../${to}/stone.ts'`)
  for (const folder of folders)
    for (const [name, { text }] of Object.entries(PLATFORM))
      write(planted(folder, name), `export {}\n${text}`)
  said = compile()
})

afterAll(() => rmSync(copy, { recursive: true }))

test('without an offender everything compiles', () => expect(saidWithoutOffenders).toBe(''))

test('offenders do not take others with them', () => {
  const about = said.split('\n').filter((line) => /error/.test(line))
  expect(about.filter((line) => !/planted-/.test(line))).toEqual([])
})

describe('an import that points up or across is refused', () => {
  for (const [from, to] of CROSSINGS)
    test(`${from} imports ${to}`, () =>
      expect(saidAbout(planted(from, to))).toMatch(/TS6307: .*is not listed within the file list/))
})

for (const folder of folders)
  describe(`${folder} is refused the platform`, () => {
    for (const [name, { error }] of Object.entries(PLATFORM))
      test(name, () => expect(saidAbout(planted(folder, name))).toMatch(error))
  })

function write(file: string, text: string): void {
  writeFileSync(join(copy, file), `${text}\n`)
}

function planted(folder: string, name: string): string {
  return `src/${folder}/planted-${name.replace(/\W/g, '-')}.ts`
}

/** What the compiler says about the whole copy; empty when it is content. */
function compile(): string {
  try {
    execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', 'tsconfig.json'], {
      cwd: copy,
    })
    return ''
  } catch (error) {
    return String((error as { stdout: Buffer }).stdout)
  }
}

function saidAbout(file: string): string {
  return said
    .split('\n')
    .filter((line) => line.startsWith(`${file}(`))
    .join('\n')
}
