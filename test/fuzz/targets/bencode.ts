/**
 * Bencode, strict and lenient: what is read strictly is written back byte for byte, and
 * every node lies in its place.
 */
import { equalBytes } from '../../../src/base/bytes.ts'
import { fromLatin1 } from '../../../src/base/text.ts'
import {
  type BNode,
  type BValue,
  decodeBencode,
  decodeBencodePrefix,
  encodeBencode,
  isCanonicalBencode,
} from '../../../src/wire/bencode.ts'

export default {
  name: 'bencode',

  seeds: (): Uint8Array[] =>
    [
      'd3:cow3:moo4:spaml1:a1:bee',
      'i-9223372036854775808e',
      'd1:bi007e1:ai-0e1:a02:xxe',
      'lllllllllleeeeeeeeee',
      'd0:d0:d0:deeee',
      'd8:msg_typei1e5:piecei0e10:total_sizei3eexxx',
    ].map(fromLatin1),

  run(bytes: Uint8Array): void {
    const strict = decodeBencode(bytes)
    const lenient = decodeBencode(bytes, { lenient: true })
    if (isCanonicalBencode(bytes) !== strict.ok) throw new Error('two opinions on what is canonical')
    if (strict.ok && !equalBytes(encodeBencode(contentOf(strict.value)), bytes))
      throw new Error('not the same bytes again')
    if (strict.ok && !lenient.ok) throw new Error('lenient refuses what strict takes')
    const prefix = decodeBencodePrefix(bytes)
    if (prefix.ok && !decodeBencode(bytes.subarray(0, prefix.value.end), { lenient: true }).ok)
      throw new Error('the prefix is no value')
    if (lenient.ok) contentOf(lenient.value)
  },
}

function contentOf(node: BNode): BValue {
  switch (node.kind) {
    case 'integer':
      return node.value
    case 'string':
      return node.bytes
    case 'list':
      checkSpans(node, node.items)
      return node.items.map(contentOf)
    case 'dict':
      checkSpans(
        node,
        [...node.members()].map(([, member]) => member),
      )
      for (const [key, member] of node.entries)
        if (node.get(key)?.start !== member.start) throw new Error('get and entries differ')
      return new Map([...node.entries].map(([key, member]) => [key, contentOf(member)]))
  }
}

function checkSpans(node: BNode, members: readonly BNode[]): void {
  let at = node.start + 1
  for (const member of members) {
    if (member.start < at || member.end <= member.start) throw new Error('values overlap')
    at = member.end
  }
  if (at >= node.end) throw new Error('a value ends after what holds it')
}
