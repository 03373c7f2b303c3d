/**
 * The name policy: every name becomes one that stays in its folder, and a name that has
 * been made safe stays as it is.
 */
import { encodeUtf8 } from '../../../src/base/text.ts'
import { safeComponent, safeLine, safePath, safeTorrentName } from '../../../src/wire/file-names.ts'

export default {
  name: 'file-names',

  seeds: (): Uint8Array[] => [
    ...[
      'a.txt',
      '..',
      '../../etc/passwd',
      'C:\\con.txt',
      'nul. ',
      '\u202egpj.exe',
      '.SHOAL',
      `${'ä'.repeat(200)}.jpeg`,
    ].map(encodeUtf8),
    Uint8Array.of(0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf8, 0x88, 0x80, 0x80, 0x80),
  ],

  run(bytes: Uint8Array): void {
    for (const rules of [{}, { windows: true }]) {
      const name = safeComponent(bytes, rules)
      if (name !== undefined) check(name)
      if (name !== undefined && safeComponent(name, rules) !== name)
        throw new Error(`${JSON.stringify(name)} is not settled`)
      const own = safeTorrentName(bytes, rules)
      if (own?.toLowerCase() === '.shoal') throw new Error('the name of our own folder')
      for (const component of safePath([bytes, bytes.subarray(1)], rules)) check(component)
    }
    if (/[\p{Control}\u202e]/u.test(safeLine(bytes))) throw new Error('a line that moves the cursor')
  },
}

function check(name: string): void {
  if (name === '' || name === '.' || name === '..' || /[/\\\p{Control}\u202a-\u202e]/u.test(name))
    throw new Error(`unsafe name ${JSON.stringify(name)}`)
  if (encodeUtf8(name).length > 255) throw new Error('too long for a file system')
}
