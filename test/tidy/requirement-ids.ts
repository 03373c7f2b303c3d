/** The 230 things Shoal must be able to do, by the id that begins the title of each one's acceptance test. */

const COUNTS: Record<string, number> = { M: 67, L: 64, W: 44, R: 55 }

export const REQUIREMENT_IDS = Object.entries(COUNTS).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
)
