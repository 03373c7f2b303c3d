import { defineConfig } from 'vitest/config'

/**
 * Four projects, so that a change can be checked at the speed it deserves: `fast` runs in-process in seconds,
 * `fuzz` throws hostile input at every decoder, `process` starts the built program and real clients a few at
 * a time, and `long` (npm run test:long) takes its time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['src/**/*.test.ts', 'test/{contract,sim,tidy}/**/*.test.ts', 'test/tidy.test.ts'],
          testTimeout: 30_000,
        },
      },
      { test: { name: 'fuzz', include: ['test/fuzz/**/*.test.ts'], testTimeout: 120_000 } },
      {
        test: {
          name: 'process',
          include: ['test/{acceptance,e2e,interop,kit}/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          // real clients mostly wait for their next round
          maxConcurrency: 10,
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/long/**/*.test.ts'],
          testTimeout: 3_600_000,
          hookTimeout: 3_600_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
