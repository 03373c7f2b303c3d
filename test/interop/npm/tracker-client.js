/**
 * WebTorrent's tracker client: announces as a leecher and prints what it hears, one JSON object a line, until
 * its standard input ends; then it says that it stops.
 *   node tracker-client.js ANNOUNCE-URL INFOHASH-HEX PEER-ID-HEX PORT
 */
import Client from 'bittorrent-tracker'

const [announce, infoHash, peerId, port] = process.argv.slice(2)
const client = new Client({ infoHash, peerId, announce: [announce], port: Number(port) })
const say = (event, value) => console.log(JSON.stringify({ event, value }))

client.on('error', (error) => say('error', error.message))
client.on('warning', (error) => say('warning', error.message))
client.on('peer', (address) => say('peer', address))
client.on('update', ({ complete, incomplete }) => say('update', { complete, incomplete }))
client.on('scrape', ({ complete, incomplete, downloaded }) =>
  say('scrape', { complete, incomplete, downloaded }),
)
client.start({ left: 1000 })
client.scrape()

process.stdin.resume().on('end', () => {
  client.once('update', () => process.exit(0))
  client.stop({ left: 1000 })
})
