import { expect, test } from 'vitest'
import { Prng } from '../base/prng.ts'
import { MemberList } from './member-list.ts'
import { PeerTable } from './peer-table.ts'

/** Every order of the members that random pushes, pops, swaps and new ids make, against plain arrays. */
test.each([6, 18])('endpoints of %i bytes and ids follow their members wherever those stand', (length) => {
  const prng = new Prng(length)
  const peers = new PeerTable(length, 1)
  const list = new MemberList(peers)
  interface Member {
    slot: number
    endpoint: Uint8Array
    id: Uint8Array
  }
  const model: Member[] = []
  for (let step = 0; step < 2000; step++) {
    const choice = prng.below(5)
    if (choice <= 1) {
      const member = { slot: 0, endpoint: prng.bytes(length), id: prng.bytes(20) }
      member.slot = peers.add(0, member.endpoint, member.id, 0)
      list.push(member.slot, member.id)
      model.push(member)
    } else if (choice === 2 && model.length > 0) {
      list.pop()
      peers.remove(model.pop()!.slot)
    } else if (choice === 3 && model.length > 0) {
      const [one, other] = [prng.below(model.length), prng.below(model.length)]
      list.swap(one, other)
      const moved = model[one]!
      model[one] = model[other]!
      model[other] = moved
    } else if (model.length > 0) {
      const member = model[prng.below(model.length)]!
      // As clients of one kind do: only the end differs.
      member.id = Uint8Array.of(...member.id.subarray(0, 19), prng.below(256))
      peers.setPeerId(member.slot, member.id)
      list.remark(member.slot, member.id)
    }
    expect(list.length).toBe(model.length)
    if (model.length === 0) continue
    const asker = model[prng.below(model.length)]!
    const positions = Int32Array.from(model.keys())
    const others = new Int32Array(model.length)
    const count = list.others(positions, model.length, asker.id, others, 0, model.length)
    const expected = model.filter(({ id }) => id.some((byte, i) => byte !== asker.id[i]))
    expect(Array.from(others.subarray(0, count), (position) => list.slot(position))).toEqual(
      expected.map(({ slot }) => slot),
    )
    const bytes = new Uint8Array(count * length)
    list.copyEndpoints(others, 0, count, new Uint16Array(bytes.buffer), 0)
    expect(bytes).toEqual(Uint8Array.from(expected.flatMap(({ endpoint }) => [...endpoint])))
    for (const [position, { slot }] of model.entries()) expect(peers.position(slot)).toBe(position)
  }
})
