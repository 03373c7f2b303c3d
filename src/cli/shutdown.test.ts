import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { aborted, Shutdown } from './shutdown.ts'

test('the first interrupt is orderly, the second ends with 130', async () => {
  const statuses: number[] = []
  const shutdown = new Shutdown((status) => statuses.push(status))
  const ended = aborted(shutdown.signal)
  shutdown.interrupt()
  await ended
  expect(statuses).toEqual([])
  shutdown.interrupt()
  expect(statuses).toEqual([130])
  await aborted(shutdown.signal)
})

test('listening to signals ends with close', () => {
  const before = process.listenerCount('SIGTERM')
  const shutdown = new Shutdown(() => {})
  shutdown.listen()
  expect(process.listenerCount('SIGTERM')).toBe(before + 1)
  shutdown.close()
  expect(process.listenerCount('SIGTERM')).toBe(before)
})

test('a stop word after a signal changes nothing', () => {
  const shutdown = new Shutdown(() => {
    throw new Error('must not exit')
  })
  shutdown.interrupt()
  shutdown.begin()
  expect(shutdown.signal.aborted).toBe(true)
})

test('a signal that came while the thread was busy is heard before it goes on', () => {
  const source = new URL('./shutdown.ts', import.meta.url)
  // As after reading: in a turn that began before the signal came.
  const program = `
    import { readFile } from 'node:fs/promises'
    import { heardSignals, Shutdown } from ${JSON.stringify(source.href)}
    const shutdown = new Shutdown()
    shutdown.listen()
    await readFile(${JSON.stringify(source.pathname)})
    process.kill(process.pid, 'SIGINT')
    const before = shutdown.signal.aborted
    await heardSignals()
    console.log(before, shutdown.signal.aborted)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  expect(stdout).toBe('false true\n')
})
