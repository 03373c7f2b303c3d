import net from 'node:net'
import { expect, test } from 'vitest'
import { listenServer } from './listen.ts'

test('a connection that the system cannot give us does not end the program', async () => {
  const server = net.createServer()
  const { port } = await listenServer(server, '127.0.0.1', [0])
  const error = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' })
  expect(() => server.emit('error', error)).not.toThrow()
  const socket = net.connect(port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.destroy()
  server.close()
})
