import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatRangeList, formatRanges } from './event-text.ts'
import { formatBar } from './progress-renderer.ts'
import { displayWidth, fitText, padEnd, safeText } from './terminal-text.ts'
import { formatTable } from './text-table.ts'

describe('safe text', () => {
  test('holds nothing that could act on a terminal', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(safeText(text)).not.toMatch(
          /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]/u,
        )
      }),
    ))

  test('leaves what people write alone', () => {
    for (const text of ['Zürich', '旅行', '👩‍🚀', 'عمان', 'a b']) expect(safeText(text)).toBe(text)
  })
})

describe('columns', () => {
  test.each([
    ['abc', 3],
    ['旅行', 4],
    ['e\u0301', 1],
    ['🦆', 2],
  ])('%s takes %d', (text, width) => expect(displayWidth(text)).toBe(width))

  test('fitted text never exceeds its room', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 30 }), (text, columns) => {
        expect(displayWidth(fitText(safeText(text), columns))).toBeLessThanOrEqual(columns)
      }),
    ))

  test('padding fills to the column', () => expect(padEnd('旅', 4)).toBe('旅  '))
})

describe('tables', () => {
  const columns = [
    { title: 'peer', isFlexible: true },
    { title: 'pieces', align: 'right' as const },
  ]

  test('align and narrow', () => {
    expect(
      formatTable(columns, [
        ['127.0.0.1:6881', 7],
        ['旅行', 1234],
      ]),
    ).toEqual(['peer            pieces', '127.0.0.1:6881       7', '旅行              1234'])
    expect(formatTable(columns, [['a-very-long-name-of-a-peer', 7]], 24)[1]).toBe('a-very-long-nam…       7')
  })
})

describe('bars', () => {
  test('fit any terminal', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 200 }),
        fc.string({ unit: 'grapheme' }),
        fc.float({ noNaN: true }),
        (columns, label, fraction) => {
          const bar = formatBar(
            { label, fraction, detail: '3.1 MB/s 5 peers' },
            { columns, labelColumns: 28, hasUnicode: true },
          )
          expect(displayWidth(bar)).toBeLessThan(columns)
        },
      ),
    ))

  test('say 100% only of what is complete', () => {
    const layout = { columns: 80, labelColumns: 0, hasUnicode: false }
    expect(formatBar({ label: '', fraction: 0.9999, detail: '' }, layout)).toBe('[###################-]  99%')
    expect(formatBar({ label: '', fraction: 1, detail: '' }, layout)).toBe('[####################] 100%')
  })
})

test('ranges of pieces', () => {
  expect(formatRanges([3, 7, 8, 9, 12])).toBe('3, 7-9, 12')
  expect(
    formatRangeList(
      [
        [0, 0],
        [2, 4],
        [6, 9],
        [12, 12],
      ],
      2,
    ),
  ).toBe('0, 2-4 and 5 more')
  expect(formatRanges([])).toBe('')
})
