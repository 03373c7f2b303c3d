/** What a result depends on beside the code: the machine it ran on, and which commit it measured. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import path from 'node:path'

export const PROJECT_FOLDER = path.join(import.meta.dirname, '..', '..')

export interface Machine {
  readonly cores: number
  readonly processor: string
  readonly memoryGib: number
  readonly node: string
  readonly kernel: string
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    kernel: release(),
  }
}

/** `d104977`, or `d104977-dirty` when anything but results differs from that commit. */
export function commitName(): string {
  const commit = git('rev-parse', '--short=7', 'HEAD')
  if (commit === undefined) return 'unknown'
  const changes = git('status', '--porcelain', '--', '.', ':!bench/results')
  return changes === '' ? commit : `${commit}-dirty`
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', ['-C', PROJECT_FOLDER, ...args], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** Seconds of all cores together since the machine started; what a host took away is in neither. */
export function coreSeconds(): { readonly busy: number; readonly idle: number } {
  const [user, nice, system, idle, waiting, irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return {
    busy: (user! + nice! + system! + irq! + softirq!) / TICKS_PER_SECOND,
    idle: (idle! + waiting!) / TICKS_PER_SECOND,
  }
}

/** USER_HZ; 100 on every Linux that Node.js runs on. */
export const TICKS_PER_SECOND = 100
