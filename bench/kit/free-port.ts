/** Ports of loopback that nobody uses at the moment. */
import { createServer } from 'node:net'

/** Free on every address, so that peers with addresses of their own can share it. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '0.0.0.0', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
