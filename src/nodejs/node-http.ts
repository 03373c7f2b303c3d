/**
 * Node's HTTP, loaded when it is first needed.
 * Not with `import`: that evaluates every export of the module, a WebSocket and all of fetch among them,
 * which takes 18 ms at the start of every peer and every tracker.
 */
import type http from 'node:http'
import type https from 'node:https'

export function nodeHttp(): typeof http {
  return process.getBuiltinModule('node:http')
}

export function nodeHttps(): typeof https {
  return process.getBuiltinModule('node:https')
}
