/**
 * Every bound on what others can make us hold or do, in one table: value, unit in the name, reason, source.
 * `docs/limits.md` is made from it. A component that keeps a map or queue names the entry that bounds it.
 */

export interface Limit {
  readonly value: number
  readonly reason: string
  readonly source: string
}

function limit(value: number, reason: string, source: string): Limit {
  return { value, reason, source }
}

export const LIMITS = {
  bencodeDepthMax: limit(
    100,
    'nesting deeper than this is an attack on recursive readers',
    'libtorrent max_decode_depth',
  ),
  bencodeTokensMax: limit(
    16_000_000,
    'a hybrid of 300,000 files has 10 million with its padding',
    'measured; libtorrent allows 3 million',
  ),
  metainfoBytesMax: limit(
    256 * 1024 * 1024,
    'largest .torrent that is read',
    'piece hashes of 10 TiB at 1 MiB take 200 MiB',
  ),
  torrentRedirectsMax: limit(5, 'redirects followed to a .torrent on the web', 'design'),
  filesMax: limit(1_000_000, 'files in one torrent', 'three times the largest picture library known'),
  pathDepthMax: limit(100, 'folders in one file path', 'libtorrent max_directory_depth'),
  piecesMax: limit(0x40_0000, 'pieces in one torrent', 'twice libtorrent 2.0 max_pieces'),
  pieceLengthMax: limit(512 * 1024 * 1024, 'largest piece that is read', 'libtorrent 2.0 max_piece_size'),
  trackersMax: limit(200, 'announce addresses kept of one torrent', 'design'),
  webSeedsMax: limit(200, 'web seeds kept of one torrent', 'design'),
  webSeedConnectionsPerSeedMax: limit(2, 'requests to one web seed at a time', 'design: polite to servers'),
  webSeedConnectionsMax: limit(8, 'requests to web seeds at a time, all torrents together', 'design'),
  webSeedRangeBytesMax: limit(
    4 * 1024 * 1024,
    'bytes asked of a web seed in one go, or one piece if that is longer',
    'design: a small part of the pool of unverified bytes',
  ),
  webSeedSkippedBytesMax: limit(
    1024 * 1024,
    'bytes read for nothing from a web seed that can only send whole files',
    'design',
  ),
  webSeedRedirectsMax: limit(3, 'redirects followed for one request to a web seed', 'design'),
  webSeedBadPiecesMax: limit(3, 'wrong pieces after which a web seed is dropped', 'design'),
  duplicateNamesMax: limit(
    500,
    'entries that share one path and are told apart by a number',
    'libtorrent max_duplicate_filenames',
  ),
  metadataBytesMax: limit(
    32 * 1024 * 1024,
    'longest info dictionary that is taken from peers',
    'v1 hashes of 1.6 million pieces; libtorrent 2.0 max_metadata_size is 3 MiB',
  ),
  metadataPartsAskedMax: limit(4, 'metadata parts we have asked of one peer', 'design: 64 KiB on the way'),
  metadataPartsServedMax: limit(
    64,
    'metadata parts a peer may ask for at once; it gets half as many anew each second',
    'design: 1 MiB',
  ),
  hashesPerRequestMax: limit(512, 'hashes in one hash request, without the proof', 'BEP 52'),
  hashRequestsAskedMax: limit(
    64,
    'hash requests we have open at one peer',
    'design: torrents of many small files need one for each',
  ),
  hashesAskedMax: limit(2048, 'hashes we have asked of one peer', 'design: 64 KiB on the way'),
  hashAnswersServedMax: limit(
    64,
    'answers of 512 hashes a peer may ask for at once; it gets half as many anew each second',
    'design: 1 MiB',
  ),
  hashTreesBytesMax: limit(
    16 * 1024 * 1024,
    'hash trees kept to answer requests from, of one torrent',
    'design: files with 260,000 pieces',
  ),
  earlyHavesMax: limit(
    65_536,
    'single pieces a peer may tell of before the metadata is there',
    'design: a fast download goes on for minutes',
  ),
  exactSourcesMax: limit(4, 'catalog records asked that a magnet link names', 'design'),
  magnetBytesMax: limit(65_536, 'longest magnet link', 'design: room for every tracker of trackersMax'),
  blockLengthMax: limit(
    16 * 1024,
    'longest block of a request, but for peers that say they take several at once',
    'BEP 3; larger ones are dropped by most clients',
  ),
  longMessageBytesMax: limit(
    128 * 1024,
    'neighbouring blocks in one message, between peers that both say so',
    'design: 0.4 s of a peer that is just fast enough (docs/decisions/0022-long-messages.md)',
  ),
  extensionMessageBytesMax: limit(
    1024 * 1024,
    'longest BEP 10 message',
    'libtorrent; metadata parts are 16 KiB',
  ),
  walkedPiecesPerSecondMax: limit(
    100_000,
    'pieces of repeated bitfields that one peer makes us walk over per second; 8 bitfields are free',
    'design: a millisecond or less; libtorrent does not limit it',
  ),
  requestsQueuedPerPeerMax: limit(
    2048,
    'requests of one peer that wait to be served',
    'libtorrent max_allowed_in_request_queue is 2000',
  ),
  requestsOutstandingPerPeerMax: limit(1024, 'requests we keep open at one peer', 'covers 16 MiB in flight'),
  unverifiedBytesMax: limit(
    64 * 1024 * 1024,
    'bytes of pieces that are not verified yet, all torrents together',
    'product',
  ),
  trackerReplyBytesMax: limit(
    1024 * 1024,
    'longest tracker reply that is read',
    'libtorrent max_http_recv_buffer_size is 4 MiB',
  ),
  trackerSwarmsMax: limit(
    1_000_000,
    'swarms a tracker holds; beyond it those of the busiest source give way to new ones, or new ones are refused',
    'design: about 0.6 GB',
  ),
  trackerPeersMax: limit(
    4_194_304,
    'peers a tracker holds, per address family; beyond it the same',
    'design: about 0.3 GB of IPv4',
  ),
  trackerPeersPerSourceMax: limit(
    512,
    'peers of one address, or IPv6 /64, that a tracker lists in one swarm; further ones are answered and not listed; loopback has no limit',
    'design: a school behind one router',
  ),
  trackerJoinsPerSourceMax: limit(
    20_000,
    'peers of one address, or IPv6 /48, that come anew to a tracker on Redis in an hour; further ones are refused',
    'design: at most 40,000 are there, 25 to 45 MB of Redis',
  ),
  trackerKeptPeersMax: limit(
    200_000,
    'peers that a tracker writes to its store, to know them after a restart',
    'design: 6 MB every five minutes',
  ),
  trackerProbesPerSecondMax: limit(
    200,
    'probes of peers our tracker begins in a second; more peers are probed less often',
    'product',
  ),
  trackerProbesOpenMax: limit(
    1024,
    'probes of our tracker under way, each with a socket',
    'design: what begins in five seconds; below the usual limit of open files with its clients',
  ),
  trackerProbeBytesMax: limit(
    4096,
    'bytes read of a peer that is probed, before its handshake',
    'design: pads of an encrypted one are 1 KiB at most',
  ),
  trackerReportsMax: limit(1024, 'reported peers that wait for their probe, or had it just now', 'design'),
  trackerReportersPerSecondMax: limit(
    5,
    'reports of one address that our tracker acts on in a second, after the first twenty',
    'design: a peer that finds fifty dead ones needs ten seconds',
  ),
  trackerReporterScanMax: limit(
    4096,
    'members looked at to find who reports, when it does not say on which port it listens',
    'design: a tenth of a millisecond',
  ),
  trackerListedMax: limit(10_000, 'peers in one list for people', 'design: 2 MB of JSON'),
  trackerHaveRangesMax: limit(
    256,
    'ranges of pieces our tracker keeps of one peer; further ones are not kept',
    'design: 2 KiB; the map is advice',
  ),
  trackerHaveRangesTotalMax: limit(4_194_304, 'ranges of pieces our tracker keeps in all', 'design: 32 MiB'),
  registeredRangesMax: limit(
    512,
    'ranges of pieces told to a tracker at once; the rest waits for the next time',
    'design: 8 KiB of JSON',
  ),
  extendedTrackersMax: limit(
    4,
    'trackers of a torrent that are told of pieces and of peers that do not answer',
    'design: more than one is rare',
  ),
  trackerConnectionsMax: limit(
    20_000,
    'open HTTP connections to our tracker',
    'design: below the usual limit of open files',
  ),
  trackerHeadBytesMax: limit(16 * 1024, 'URL and headers of one request to our tracker', 'Node.js default'),
  trackerRequestsPerSourceMax: limit(
    1000,
    'announces and scrapes of one address, or IPv6 /64, that our tracker answers in a second by default',
    'product; --source-limit',
  ),
  publicationsPerSourceMax: limit(
    6000,
    'libraries, .torrent files, payload strings and invites of one address, or IPv6 /64, that our tracker takes in an hour by default; each 64 KiB counts as one more',
    'design: a publisher of a thousand libraries who tells of them every quarter of an hour; --publish-limit',
  ),
  trackerSendQueueBytesMax: limit(
    4 * 1024 * 1024,
    'UDP replies of our tracker that the system has not taken; further ones are dropped',
    'design: thousands of full replies',
  ),
  udpAnswerBytesMax: limit(
    1452,
    'longest announce reply over UDP: 238 IPv4 or 79 IPv6 peers',
    'an Ethernet frame of 1500 bytes without the headers of IPv6 and UDP',
  ),
  numwantMax: limit(200, 'peers in one tracker answer', 'product; opentracker and chihaya give 50 to 100'),
  scrapeHashesMax: limit(74, 'swarms in one scrape', 'BEP 15: what fits a packet'),
  trackerRedirectsMax: limit(3, 'redirects followed from one tracker address', 'design'),
  udpTrackersMax: limit(256, 'UDP trackers with an open socket', 'design: each costs one file descriptor'),
  heldBytesMax: limit(
    64 * 1024,
    'bytes a peer may send before the files it asks for are checked',
    'design: a bitfield of 500,000 pieces',
  ),
  knownPeersMax: limit(4000, 'addresses remembered per torrent', 'libtorrent max_peerlist_size'),
  knownPeersPerHostMax: limit(
    64,
    'addresses remembered of one host, named by others',
    'design: many peers may share one, S17',
  ),
  dialsPerHostMax: limit(
    8,
    'dials of one host that gave no answer, after that one in ten minutes',
    'design: a victim notices nothing, S17',
  ),
  dialedHostsMax: limit(16_384, 'hosts whose dials are counted', 'design: about 2 MiB'),
  dialsPerSecondMax: limit(30, 'connections begun in a second', 'libtorrent connection_speed'),
  pexSentMax: limit(50, 'peers told as new, and as gone, in one message of peer exchange', 'BEP 11'),
  pexPeersMax: limit(100, 'addresses read of one message of peer exchange', 'twice what BEP 11 allows'),
  pexBurstMax: limit(
    3,
    'messages of peer exchange read from one peer in a row; after that two a minute',
    'BEP 11 allows one a minute',
  ),
  localPacketBytesMax: limit(1400, 'longest announce in the local network', 'BEP 14'),
  localPerHostMax: limit(
    20,
    'announces of the local network read from one host in a minute',
    'design: BEP 14 allows a program one a minute',
  ),
  localHostsMax: limit(1024, 'hosts of the local network heard in a minute', 'design'),
  localInterfacesMax: limit(16, 'networks announced in', 'design'),
  suspectPiecesMax: limit(
    64,
    'failed copies of pieces remembered per torrent to find who spoiled them',
    'design: the oldest make room',
  ),
  suspectBlocksMax: limit(
    8192,
    'blocks of those copies in all; a piece with more convicts nobody but a sole sender',
    'design: 128 MiB of pieces, 80 KiB of digests and 64 KiB of senders',
  ),
  trialsMax: limit(4, 'failed v2 pieces of a torrent that wait for the hashes of their blocks', 'design'),
  trialBytesMax: limit(
    16 * 1024 * 1024,
    'bytes of those pieces, unless it is only one',
    'design: a quarter of the memory for unverified bytes',
  ),
  blockHashFetchesMax: limit(
    64,
    'pieces of a torrent whose hashes of blocks are being asked for',
    'design: 2 MiB of hashes for pieces of 16 MiB',
  ),
  blockHashBytesMax: limit(
    64 * 1024 * 1024,
    'content a peer may have us read at once for hashes of blocks; a 64th of it anew each second',
    'design: one piece of any length in use',
  ),
  blockHashJobsMax: limit(16, 'requests for hashes of blocks that wait, of one torrent', 'design'),
  peersPerTorrentMax: limit(200, 'connected peers of one torrent by default', 'design; --max-peers'),
  connectionsPerHostMax: limit(
    50,
    'connections with one host, unless it is this machine',
    'design: many peers may share one, S16',
  ),
  strangersMax: limit(
    16,
    'connections beyond --max-peers that have yet to introduce themselves',
    'design: BEP 40 needs to see who comes',
  ),
  halfOpenMax: limit(32, 'connections being opened at once', 'design: polite to home routers'),
  keyAgreementsPerSecondMax: limit(
    100,
    'encrypted connections begun in one second; more are sent away',
    'design: each costs a third of a millisecond of CPU',
  ),
  acceptQueueMax: limit(
    64,
    'peers that wait for their turn with --one-at-a-time',
    'design: the original kept 10 in the backlog of its socket',
  ),
  uploadBufferBytesMax: limit(
    1024 * 1024,
    'bytes of replies read for one peer and not yet taken by its socket',
    'design: two scheduler turns at 600 MB/s',
  ),
  foldersOpenMax: limit(
    64,
    'folders of content kept open by one thread',
    'design: far below the usual 1024 descriptors',
  ),
  payloadBytesMax: limit(1024 * 1024, 'longest payload string, in UTF-8', 'product, D22'),
  claimsPerQueryMax: limit(4096, 'claims read of one query about chunk positions', 'design: 160 KiB'),
  serviceReadsMax: limit(
    4,
    'payloads read at once to answer claims; further askers are told that we are busy',
    'design: 4 MiB',
  ),
  serviceQueriesMax: limit(
    32,
    'queries of one connection answered at once; it gets a quarter as many anew each second',
    'design',
  ),
  serviceSecondsMax: limit(30, 'seconds a connection may ask us for services', 'design'),
  countersMax: limit(256, 'counters read of what another peer answers', 'design: it has thirty'),
  counterIdsMax: limit(
    64,
    'earlier peer ids of one address whose counters are kept; older ones are added up',
    'design',
  ),
  trackerMembersMax: limit(100_000, 'members of one tracker', 'design: 30 MiB'),
  trackerInvitesMax: limit(10_000, 'open invites of one tracker', 'design'),
  invitesPerMemberMax: limit(20, 'open invites of one member', 'design'),
  wrongSecretsMax: limit(
    10,
    'wrong passkeys, tokens and invites of one address; then one in six seconds is looked at',
    'design, S43',
  ),
  payloadsStoredMax: limit(100_000, 'payload strings that one tracker knows', 'design'),
  payloadBytesStoredMax: limit(
    256 * 1024 * 1024,
    'bytes of payload strings that one tracker keeps, without their hashes',
    'design',
  ),
  hashWorkersMax: limit(
    16,
    'threads that read and hash',
    'design: more are slowed down by the disk or the memory bus',
  ),
  apiBodyBytesMax: limit(
    256 * 1024,
    'body of a request to the HTTP API, where a route says nothing else',
    'design',
  ),
  apiParameterMax: limit(256, 'characters of one part of a path of the HTTP API', 'design'),
  apiPageMax: limit(10_000, 'pages of a list', 'design'),
  apiPageRowsMax: limit(500, 'rows of one page of a list', 'design'),
  apiUploadsMax: limit(
    16,
    'large bodies a tracker takes in at once',
    'design: 512 MiB when all are .torrent files',
  ),
  apiEventStreamsMax: limit(1000, 'listeners to live news of a tracker', 'design: a socket each'),
  apiStreamsPerSourceMax: limit(
    50,
    'of those of one address, or IPv6 /64, other than this machine',
    'design: a household with many windows open',
  ),
  apiStreamBytesMax: limit(
    256 * 1024,
    'news that wait for one listener; one that reads no more is let go',
    'design: some thousand events',
  ),
  catalogEntriesMax: limit(50_000, 'libraries in a catalog', 'design: a search looks at each, 50 ms'),
  catalogPerPublisherMax: limit(1000, 'libraries of one publisher in a catalog', 'design'),
  catalogSourcesMax: limit(100, 'publishers kept of one library', 'design'),
  catalogBatchMax: limit(
    100,
    'libraries published in one request',
    'design: 1.5 MiB with their pictures each way',
  ),
  catalogBodyBytesMax: limit(4 * 1024 * 1024, 'body of a request that publishes', 'design'),
  catalogRecordBytesMax: limit(
    16 * 1024,
    'one record of a catalog',
    'all its parts at their limits, in UTF-8',
  ),
  catalogNameMax: limit(255, 'characters of the name of a library', 'longest file name'),
  catalogDescriptionMax: limit(2000, 'characters that describe a library', 'design'),
  catalogTagsMax: limit(16, 'tags of a library', 'design'),
  catalogTagMax: limit(40, 'characters of a tag', 'design'),
  catalogSampleMax: limit(20, 'files named in a record, for people to look at', 'design'),
  catalogPreviewsMax: limit(4, 'small pictures of a library', 'design'),
  catalogPreviewBytesMax: limit(32 * 1024, 'one small picture', '320 pixels wide, WebP, take 10 to 20 KiB'),
  previewSourceBytesMax: limit(64 * 1024 * 1024, 'longest picture that is made small', 'design'),
  previewPixelsMax: limit(
    100_000_000,
    'pixels of a picture that is made small',
    'design: cameras have up to half',
  ),
  previewSecondsMax: limit(20, 'seconds the process that makes pictures small has for one of them', 'design'),
  previewMemoryBytesMax: limit(
    1024 * 1024 * 1024,
    'memory of that process, where the system tells (Linux)',
    'design: twice previewPixelsMax at 4 bytes each, and the picture',
  ),
  catalogPreviewsKeptMax: limit(
    64_000,
    'small pictures kept by a catalog in a file; in memory a sixteenth of it',
    'design: 2 GiB at most',
  ),
  catalogPlaceholderBytesMax: limit(32, 'placeholder of a picture', 'a ThumbHash has at most 25'),
  catalogPlaceholdersKeptMax: limit(1000, 'placeholders drawn and kept by a tracker', 'design: 4 MiB'),
  catalogTorrentBytesMax: limit(
    32 * 1024 * 1024,
    '.torrent kept by a catalog; of a larger one, peers give the metadata',
    'as metadataBytesMax',
  ),
  catalogTorrentsBytesMax: limit(
    4 * 1024 * 1024 * 1024,
    'bytes of all .torrent files kept by a catalog in a file; in memory a sixteenth of it',
    'design',
  ),
  storeBatchBytesMax: limit(
    8 * 1024 * 1024,
    'bytes that wait to be written to the store; more are written at once',
    'design',
  ),
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof LIMITS
