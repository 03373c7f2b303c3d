/**
 * What stands around the info dictionary: trackers in tiers (BEP 12), web seeds (BEP 19),
 * DHT nodes (BEP 5), comment.
 * None of it is covered by the infohash, so anybody may have changed it: a field that is not what it should
 * be is left out, and addresses are text that is checked again when they are used.
 * Bounded by trackersMax and webSeedsMax.
 */
import { LIMITS } from '../base/limits.ts'
import { decodeUtf8 } from '../base/text.ts'
import { type BDict, type BNode, getBytes, getInteger, getList } from './bencode.ts'
import { safeLine } from './file-names.ts'
import type { Metainfo } from './metainfo.ts'

export type AnnouncementFields = Pick<
  Metainfo,
  'trackers' | 'webSeeds' | 'comment' | 'createdBy' | 'creationDate' | 'nodes'
>

export function readAnnouncement(root: BDict): AnnouncementFields {
  const comment = readLine(root, 'comment')
  const createdBy = readLine(root, 'created by')
  const creationDate = getInteger(root, 'creation date') ?? -1
  const nodes = readNodes(root)
  return {
    trackers: readTrackers(root),
    webSeeds: readWebSeeds(root),
    ...(comment !== undefined && { comment }),
    ...(createdBy !== undefined && { createdBy }),
    ...(creationDate >= 0 && { creationDate }),
    ...(nodes.length > 0 && { nodes }),
  }
}

/**
 * `announce-list` where it names any tracker, else `announce` (BEP 12). A tracker counts
 * in its first tier only.
 */
function readTrackers(root: BDict): string[][] {
  const seen = new Set<string>()
  const tiers: string[][] = []
  for (const tier of getList(root, 'announce-list')?.items ?? []) {
    const urls = tier.kind === 'list' ? distinctUrls(tier.items, seen, LIMITS.trackersMax.value) : []
    if (urls.length > 0) tiers.push(urls)
  }
  const announce = root.get('announce')
  if (tiers.length > 0 || announce === undefined) return tiers
  const urls = distinctUrls([announce], seen, LIMITS.trackersMax.value)
  return urls.length > 0 ? [urls] : []
}

/** One address or a list of them. */
function readWebSeeds(root: BDict): string[] {
  const seeds = root.get('url-list')
  if (seeds === undefined) return []
  return distinctUrls(seeds.kind === 'list' ? seeds.items : [seeds], new Set(), LIMITS.webSeedsMax.value)
}

function distinctUrls(nodes: readonly BNode[], seen: Set<string>, countMax: number): string[] {
  const urls: string[] = []
  for (const node of nodes) {
    const url = node.kind === 'string' ? decodeUtf8(node.bytes)?.trim() : undefined
    if (url === undefined || url === '' || /[\p{Control}\s]/u.test(url)) continue
    if (seen.has(url) || seen.size >= countMax) continue
    seen.add(url)
    urls.push(url)
  }
  return urls
}

function readNodes(root: BDict): { host: string; port: number }[] {
  const nodes: { host: string; port: number }[] = []
  for (const item of getList(root, 'nodes')?.items.slice(0, LIMITS.trackersMax.value) ?? []) {
    const [host, port] = item.kind === 'list' ? item.items : []
    if (host?.kind !== 'string' || port?.kind !== 'integer' || typeof port.value !== 'number') continue
    const text = safeLine(host.bytes)
    if (text !== '' && port.value > 0 && port.value <= 0xffff) nodes.push({ host: text, port: port.value })
  }
  return nodes
}

function readLine(root: BDict, key: string): string | undefined {
  const bytes = [getBytes(root, `${key}.utf-8`), getBytes(root, key)].find(
    (text) => text !== undefined && text.length > 0,
  )
  return bytes === undefined ? undefined : safeLine(bytes)
}
