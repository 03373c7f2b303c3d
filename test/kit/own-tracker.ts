/** `shoal tracker` as tests start it: on loopback, on free ports, over HTTP and UDP. */
import { Shoal } from './shoal.ts'

export interface OwnTracker {
  shoal: Shoal
  http: { host: string; port: number }
  udp: { host: string; port: number }
  udpUrl: string
}

export async function startOwnTracker(...args: string[]): Promise<OwnTracker> {
  const shoal = Shoal.start(['tracker', '--host', '127.0.0.1', '--port', '0', '--heartbeat', 'off', ...args])
  const { host, port } = await shoal.event('listening', ({ service }) => service === 'tracker')
  const udp = await shoal.event('listening', ({ service }) => service === 'udp')
  return {
    shoal,
    http: { host, port },
    udp: { host: udp.host, port: udp.port },
    udpUrl: `udp://${udp.host}:${udp.port}`,
  }
}
