/** The port to the local network, on real multicast where this machine has any. */
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { MulticastNetwork } from '../../src/nodejs/multicast-network.ts'

const outside = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address

const opened: MulticastNetwork[] = []
afterEach(() => {
  for (const network of opened.splice(0)) network.close()
})

interface Listener {
  readonly network: MulticastNetwork
  readonly heard: string[]
  readonly reasons: string[]
}

function listen(host?: string): Listener {
  const network = new MulticastNetwork(host)
  opened.push(network)
  const heard: string[] = []
  const reasons: string[] = []
  network.open(
    (from, bytes) => heard.push(`${from} ${Buffer.from(bytes)}`),
    (reason) => reasons.push(reason),
  )
  return { network, heard, reasons }
}

/** Says it again until all have heard it: a socket needs a moment before it listens. */
async function say(network: MulticastNetwork, text: string, ...listeners: Listener[]): Promise<void> {
  for (let i = 0; i < 50; i++) {
    network.send('v4', Buffer.from(text))
    await new Promise((resolve) => setTimeout(resolve, 20))
    if (listeners.every(({ heard }) => heard.some((line) => line.endsWith(text)))) return
  }
}

describe('multicast', () => {
  it.skipIf(outside === undefined)('is heard by all on this machine, the sender too', async () => {
    const [one, two] = [listen(), listen(outside)]
    await say(one.network, `hello ${process.pid}`, one, two)
    expect(one.heard).toContain(`${outside} hello ${process.pid}`)
    expect(two.heard).toContain(`${outside} hello ${process.pid}`)
    expect([...one.reasons, ...two.reasons]).toEqual([])
  })

  it.skipIf(outside === undefined)('is not heard after closing', async () => {
    const [one, two] = [listen(), listen()]
    await say(one.network, `before ${process.pid}`, one, two)
    expect(two.heard).toContain(`${outside} before ${process.pid}`)
    two.network.close()
    const count = two.heard.length
    await say(one.network, `after ${process.pid}`, one)
    expect(two.heard).toHaveLength(count)
    two.network.send('v4', Buffer.from('nothing comes of it'))
  })

  it('says why nothing is heard where there is no network, once, and bears being used', async () => {
    const { network, heard, reasons } = listen('203.0.113.77')
    network.send('v4', Buffer.from('x'))
    network.send('v6', Buffer.from('x'))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(heard).toEqual([])
    expect(reasons).toEqual(['this machine is in no network'])
    network.close()
    network.close()
  })
})
