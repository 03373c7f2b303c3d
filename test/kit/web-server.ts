/** An HTTP server on loopback that answers as the test says, until the test ends. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { onCleanUp } from './clean-up.ts'

/** Gives what its URLs begin with: `http://127.0.0.1:PORT`. */
export async function serveWeb(listener: http.RequestListener): Promise<string> {
  const server = http.createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onCleanUp(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
