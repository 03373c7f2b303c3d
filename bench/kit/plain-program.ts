/**
 * Floors run as plain JavaScript: taking their types off would count as their start.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import path from 'node:path'
import { freshFolder } from './clean-up.ts'

const made = new Map<string, string>()

/**
 * @param source its name without `.ts`, in this folder
 * @returns the file to run
 */
export function plainProgram(source: string): string {
  const known = made.get(source)
  if (known !== undefined) return known
  const program = path.join(freshFolder(source), `${source}.mjs`)
  const text = readFileSync(path.join(import.meta.dirname, `${source}.ts`), 'utf8')
  writeFileSync(program, stripTypeScriptTypes(text))
  made.set(source, program)
  return program
}
