/**
 * Where announces and scrapes are answered, for the transports in front of it: from memory at once, or by a
 * store that several processes share, a moment later.
 */
import type { TrackerAnswer, TrackerInput } from './tracker.ts'

type WithoutId<Input> = Input extends { readonly id: number } ? Omit<Input, 'id'> : never

/** An announce or a scrape. */
export type AnnounceQuestion = WithoutId<TrackerInput>

/** Called once for each question, before or after `ask` returns. */
export type TakeAnswer = (answer: TrackerAnswer) => void

export interface AnnounceDesk {
  ask(question: AnnounceQuestion, answer: TakeAnswer): void
}
