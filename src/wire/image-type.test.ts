import { expect, test } from 'vitest'
import { fromLatin1 } from '../base/text.ts'
import { imageTypeOf } from './image-type.ts'

test.for([
  ['\xff\xd8\xff\xe0\0\x10JFIF', 'image/jpeg'],
  ['\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'image/png'],
  ['RIFF\x10\0\0\0WEBPVP8 ', 'image/webp'],
  ['\0\0\0\x20ftypavif\0\0\0\0avifmif1', 'image/avif'],
  ['RIFF\x10\0\0\0WAVEfmt ', undefined],
  ['<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', undefined],
  ['<?xml version="1.0"?><svg/>', undefined],
  ['%PDF-1.7', undefined],
  ['GIF89a', undefined],
  ['', undefined],
] as const)('%j is %s (S45)', ([beginning, type]) => {
  expect(imageTypeOf(fromLatin1(beginning))).toBe(type)
})
