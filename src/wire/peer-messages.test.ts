import { describe, expect, it } from 'vitest'
import { readUint32 } from '../base/bytes.ts'
import { MESSAGE, MessageWriter } from './peer-messages.ts'

describe('MessageWriter', () => {
  it('writes a message whole when its memory has to grow for it', () => {
    const payload = Uint8Array.from({ length: 5000 }, (_, i) => i % 251)
    const written: Record<string, (writer: MessageWriter) => void> = {
      bitfield: (writer) => writer.bitfield(payload),
      hashReject: (writer) => writer.bytes(MESSAGE.hashReject, payload),
      extended: (writer) => writer.extended(payload[0]!, payload.subarray(1)),
    }
    for (const [name, write] of Object.entries(written)) {
      const writer = new MessageWriter()
      write(writer)
      const bytes = writer.take()
      expect(readUint32(bytes, 0), name).toBe(1 + payload.length)
      expect(bytes[4], name).toBe(MESSAGE[name as keyof typeof MESSAGE])
      expect(bytes.subarray(5), name).toEqual(payload)
    }
  })
})
