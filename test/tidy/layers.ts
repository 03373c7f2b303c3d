/**
 * Who may import whom, as data. The compiler holds the walls of the pure folders (each is a TypeScript
 * project that references exactly these); the tidy test compares the projects with this table and holds the
 * walls between the folders of the edge.
 */

export interface Layer {
  readonly imports: readonly string[]
  /** Compiled with ES2023 and nothing else: no clock, no timers, no Node.js, no DOM. */
  readonly isPure: boolean
}

const DOMAINS = ['swarm', 'catalog', 'tracker', 'ring']
const BELOW_EDGE = ['base', 'wire', ...DOMAINS, 'ports', 'runtime', 'sim']

function pure(...imports: string[]): Layer {
  return { imports, isPure: true }
}

function edge(...imports: string[]): Layer {
  return { imports, isPure: false }
}

export const LAYERS: Record<string, Layer> = {
  base: pure(),
  wire: pure('base'),
  swarm: pure('base', 'wire'),
  catalog: pure('base', 'wire'),
  tracker: pure('base', 'wire', 'catalog'),
  ring: pure('base', 'wire'),
  ports: pure('base', 'wire', 'swarm'),
  runtime: pure('base', 'wire', ...DOMAINS, 'ports'),
  sim: pure('base', 'wire', ...DOMAINS, 'ports', 'runtime'),
  nodejs: edge(...BELOW_EDGE),
  api: edge(...BELOW_EDGE, 'nodejs'),
  cli: edge(...BELOW_EDGE, 'nodejs', 'api'),
}

export const PURE_FOLDERS = Object.keys(LAYERS).filter((folder) => LAYERS[folder]!.isPure)
