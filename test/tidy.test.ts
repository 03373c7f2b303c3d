/**
 * The conventions of the house that no compiler or linter holds. Each test collects the offenders, one line
 * each with the file, so that a failure says what to change. The walls between folders are proven in
 * tidy/walls.test.ts.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { limitsDocument } from '../scripts/limits-doc.ts'
import { LIMITS } from '../src/base/limits.ts'
import { findBanned } from './tidy/bans.ts'
import { codesInDocument, codesInSource, composedCodes, strangeExitCodes } from './tidy/error-codes.ts'
import { importsOf, reachable } from './tidy/imports.ts'
import { LAYERS, PURE_FOLDERS } from './tidy/layers.ts'
import { findLines, projectFiles, ROOT, readText, sourceFiles, sourceFolders } from './tidy/project-files.ts'
import { REQUIREMENT_IDS } from './tidy/requirement-ids.ts'
import { withoutComments } from './tidy/source-text.ts'

const CODE_FOLDERS = ['src', 'web', 'test', 'bench', 'scripts', 'docs'].filter((folder) =>
  existsSync(join(ROOT, folder)),
)
const allCode = [...projectFiles('', '.ts'), ...projectFiles('', '.tsx')]

function isPure(file: string): boolean {
  return PURE_FOLDERS.some((folder) => file.startsWith(`src/${folder}/`))
}

describe('layers', () => {
  test('every folder of src is in the table of layers', () => {
    expect(sourceFolders().filter((folder) => LAYERS[folder] === undefined)).toEqual([])
  })

  test('a pure folder references exactly the folders it may import', () => {
    const folders = sourceFolders()
    for (const folder of folders.filter((name) => LAYERS[name]?.isPure)) {
      const project = JSON.parse(readText(`src/${folder}/tsconfig.json`)) as {
        references: { path: string }[]
        extends: string
      }
      const referenced = project.references.map(({ path }) => path.replace('../', ''))
      const allowed = LAYERS[folder]!.imports.filter((name) => folders.includes(name))
      expect({ folder, referenced: referenced.sort() }).toEqual({ folder, referenced: allowed.sort() })
      expect(project.extends).toBe('../../tsconfig.base.json')
    }
  })

  test('imports go down only', () => {
    const offenders = sourceFiles().flatMap((file) => {
      const folder = file.split('/')[1]!
      const layer = LAYERS[folder]
      if (layer === undefined) return []
      return importsOf(file)
        .map((target) => target.split('/'))
        .filter(([, to]) => to !== folder && !layer.imports.includes(to!) && !isPreset(folder, to!))
        .map(([, ...to]) => `${file} imports ${to.join('/')}`)
    })
    expect(offenders).toEqual([])
  })

  /** The presets are data that the edge reads. */
  function isPreset(folder: string, file: string): boolean {
    return file === 'profiles.ts' && !LAYERS[folder]!.isPure
  }

  test('code below the edge uses no clock, chance, timer or promise', () => {
    expect(
      sourceFiles()
        .filter(isPure)
        .flatMap((file) => findBanned(file, readText(file))),
    ).toEqual([])
  })
})

describe('files', () => {
  test('names are kebab-case', () => {
    const kebab = /^(?:\d{4}-)?[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)*$/
    const offenders = CODE_FOLDERS.flatMap((folder) => projectFiles(folder)).filter((file) =>
      file.split('/').some((name) => name !== 'README.md' && !name.startsWith('.') && !kebab.test(name)),
    )
    expect(offenders).toEqual([])
  })

  test('names say what is inside', () => {
    const vague = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'managers', 'misc'])
    const offenders = allCode.filter((file) => file.split(/[/.-]/).some((word) => vague.has(word)))
    expect(offenders).toEqual([])
  })

  test('have at most 500 lines', () => {
    const long = allCode.filter(
      (file) => /^(src|web)\//.test(file) && readText(file).split('\n').length > 501,
    )
    expect(long).toEqual([])
  })

  test('open with a comment that says what they are', () => {
    const offenders = allCode.filter(
      (file) => /^(src|web|scripts|bench)\//.test(file) && !file.endsWith('.test.ts'),
    )
    expect(offenders.filter((file) => !/^(#![^\n]*\n)?\s*(\/\*\*|\/\/)/.test(readText(file)))).toEqual([])
  })

  test('src/index.ts is the only barrel', () => {
    const reExport = /^export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^'"{}();]*\bfrom\b/m
    const offenders = sourceFiles().filter((file) => reExport.test(withoutComments(readText(file))))
    expect(offenders.filter((file) => file !== 'src/index.ts')).toEqual([])
  })

  test('comments end at column 110; the formatter sees to the rest', () => {
    const longComment = /^(?=.{111})\s*(?:\/?\*|\/\/)(?!.*https?:)/
    expect(
      allCode.flatMap((file) => findLines(file, readText(file), longComment, 'comment beyond column 110')),
    ).toEqual([])
  })

  test('every file of src is used by the program, the library, a worker or a test', () => {
    const entryPoints = [
      'src/main.ts',
      'src/cli/bundle-entry.ts',
      'src/index.ts',
      ...allCode.filter((file) => /-worker\.ts$|^(?!src\/)|\.test\.ts$/.test(file)),
    ]
    const used = reachable(entryPoints)
    expect(sourceFiles().filter((file) => !used.has(file))).toEqual([])
  })

  test('name no machine, person or registry', () => {
    const elsewhere = /(?<![\w.])\/(?:home|Users|root|work|mnt)\/[\w.]+|[A-Z]:\\Users\\/
    const offenders = projectFiles('')
      .filter((file) => /\.(ts|tsx|mjs|json|md|yml)$|^\.\w+$/.test(file))
      .flatMap((file) => findLines(file, readText(file), elsewhere, 'path of one machine'))
    expect(offenders).toEqual([])
    expect(
      findLines('package-lock.json', readText('package-lock.json'), /"resolved": "https?:/, 'registry host'),
    ).toEqual([])
  })
})

describe('documents', () => {
  const headings = ['What it is', 'May import', 'Start reading at', 'Invariants', 'How it is tested']

  test('every folder of src has a README that answers five questions in 40 lines', () => {
    const offenders = sourceFolders().flatMap((folder) => {
      const file = `src/${folder}/README.md`
      if (!existsSync(join(ROOT, file))) return [`${file} is missing`]
      const text = readText(file)
      const missing = headings.filter(
        (heading) => !new RegExp(String.raw`^\*\*${heading}\.?\*\*`, 'm').test(text),
      )
      const long = text.trimEnd().split('\n').length > 40 ? [`${file} has more than 40 lines`] : []
      return [...missing.map((heading) => `${file} lacks **${heading}.**`), ...long]
    })
    expect(offenders).toEqual([])
  })

  test('docs/errors.md lists every error code, and no other', () => {
    const inSource = codesInSource()
    const listed = codesInDocument()
    expect(
      [...inSource]
        .filter(([code]) => !listed.includes(code))
        .map(([code, file]) => `${code} of ${file} is not listed`),
    ).toEqual([])
    expect(
      listed.filter((code) => !inSource.has(code)).map((code) => `${code} is listed and never given`),
    ).toEqual([])
    expect(listed).toEqual([...new Set(listed)].sort())
  })

  test('error codes stand as they are, so that one can search for them', () => {
    expect(composedCodes()).toEqual([])
  })

  test('the exit status speaks of codes that are given', () => expect(strangeExitCodes()).toEqual([]))

  test('docs/limits.md is what scripts/limits-doc.ts makes', () => {
    expect(readText('docs/limits.md')).toBe(limitsDocument())
  })

  test('every limit is somewhere respected', () => {
    const sources = sourceFiles().map(readText).join('\n')
    expect(Object.keys(LIMITS).filter((name) => !sources.includes(`LIMITS.${name}`))).toEqual([])
  })

  test('docs/beps.md lists every BEP the sources speak of', () => {
    const listed = new Set(
      [...readText('docs/beps.md').matchAll(/^\| (\d+) \|/gm)].map(([, number]) => number),
    )
    const spoken = sourceFiles().flatMap((file) =>
      [...readText(file).matchAll(/\bBEP (\d+)/g)]
        .filter(([, number]) => !listed.has(number!))
        .map(([bep]) => `${bep} in ${file}`),
    )
    expect([...new Set(spoken)]).toEqual([])
  })

  test('docs/threats.md explains every threat the sources speak of', () => {
    const threats = readText('docs/threats.md')
    const spoken = allCode.flatMap((file) =>
      [...readText(file).matchAll(/\bS\d\d\b/g)]
        .filter(([id]) => !threats.includes(id))
        .map(([id]) => `${id} in ${file}`),
    )
    expect(spoken).toEqual([])
  })

  test('files that documents name exist', () => {
    const path = /`((?:src|test|scripts|docs|bench|web)\/[\w./-]+)`/g
    const offenders = projectFiles('', '.md').flatMap((file) =>
      [...readText(file).matchAll(path)]
        .filter(([, named]) => !existsSync(join(ROOT, named!)))
        .map(([, named]) => `${file}: ${named}`),
    )
    expect(offenders).toEqual([])
  })

  test('links between documents lead somewhere', () => {
    const offenders = projectFiles('', '.md').flatMap((file) =>
      [...readText(file).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)]
        .map(([, link]) => link!)
        .filter((link) => !existsSync(join(ROOT, file, '..', link)))
        .map((link) => `${file}: ${link}`),
    )
    expect(offenders).toEqual([])
  })
})

test('the title of every acceptance test begins with the id of its requirement', () => {
  const ids = new Set(REQUIREMENT_IDS)
  const title = /^\s*(?:test|it)(?:\.\w+)*\(\s*(['"`])(.*?)\1/
  const offenders = projectFiles('test/acceptance', '.test.ts').flatMap((file) =>
    readText(file)
      .split('\n')
      .map((line) => title.exec(line)?.[2])
      .filter((text) => text !== undefined && !ids.has(/^\w+/.exec(text)?.[0] ?? ''))
      .map((text) => `${file}: ${text}`),
  )
  expect(offenders).toEqual([])
})
