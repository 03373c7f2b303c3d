/** Records of a catalog: what is read is bounded, and written again reads the same. */
import { LIMITS } from '../../../src/base/limits.ts'
import { fromLatin1 } from '../../../src/base/text.ts'
import { decodeCatalogRecord, encodeCatalogRecord } from '../../../src/wire/catalog-record.ts'

const KEY = 'k'.repeat(32)
const HASH = 'h'.repeat(20)

export default {
  name: 'catalog-record',

  seeds: (): Uint8Array[] =>
    [
      `d5:filesi1e3:key32:${KEY}4:name1:a12:piece lengthi16384e6:piecesi1e3:seqi1e4:sizei1e1:vi1e2:v120:${HASH}e`,
      `d5:about1:b5:filesi2e3:key32:${KEY}4:name1:a12:piece lengthi16384e6:piecesi1e8:previewsl32:${KEY}e6:samplell1:ai1eee3:seqi1e4:sizei1e4:tagsl1:te1:vi1e2:v232:${KEY}e`,
    ].map(fromLatin1),

  run(bytes: Uint8Array): void {
    const decoded = decodeCatalogRecord(bytes)
    if (!decoded.ok) return
    const record = decoded.value
    if (record.name.length > LIMITS.catalogNameMax.value) throw new Error('a name without end')
    const again = decodeCatalogRecord(encodeCatalogRecord(record))
    if (!again.ok || JSON.stringify(again.value) !== JSON.stringify(record))
      throw new Error('not the same record again')
  },
}
