/**
 * What Redis does in one step, so that several tracker processes have one view of a swarm. A swarm is nine
 * keys that share a hash tag, and so a slot of a cluster:
 *
 *   shoal:{INFOHASH}:v4       hash, endpoint (6 bytes, BEP 23) to member
 *   shoal:{INFOHASH}:v6       hash, endpoint (18 bytes, BEP 7) to member
 *   shoal:{INFOHASH}:due      sorted set, endpoint to the millisecond at which it has been silent too long
 *   shoal:{INFOHASH}:counts   hash: seeders, completed, listed (see `redis-probe-scripts.ts`)
 *   shoal:{INFOHASH}:far4     like v4, of those that nobody could reach, who stand last in every list
 *   shoal:{INFOHASH}:far6     like v6
 *   shoal:{INFOHASH}:probes   sorted set, endpoint to the millisecond of its next probe
 *   shoal:{INFOHASH}:have     hash, endpoint to the ranges of pieces it told of
 *   shoal:{INFOHASH}:reports  sorted set, endpoint to the millisecond of its last report; gone soon after
 *
 * A member is the 20 bytes of its peer id and one of flags: 1 = seed, 2 = has completed, 4 = was reached,
 * 8 = unreachable so far, 16 = must not be probed, 32 = its next probe is for a report.
 * Invariants: an endpoint of `due` is in exactly one of the four hashes, and in no other key without being
 * there; `seeders` is the number of members with flag 1; who is in a far hash has flag 8; an empty swarm does
 * not exist;
 * each call removes at most `OVERDUE_MAX` members, so that none takes long; a swarm that nobody announces to
 * is gone with its lifetime, and all of its keys half a minute later at most, whether a process is left to
 * notice or not. Time is that of Redis, since the
 * clocks of the processes may differ.
 */

/** Silent members removed in one call. */
const OVERDUE_MAX = 100
/**
 * A swarm is listed anew after so long, so that one whose place in the list was lost is found again, and the
 * keys that few announces change are given their time again, which is so much more.
 */
const LISTED_MS = 30_000

/** KEYS: as above, in that order. Defines what the scripts share. */
export const COMMON = `
local SEED, COMPLETED, REACHED, FAR, UNPROBED, REPORTED = 1, 2, 4, 8, 16, 32
local DUE, COUNTS, PROBES, HAVE, REPORTS = KEYS[3], KEYS[4], KEYS[7], KEYS[8], KEYS[9]
local function near_and_far(endpoint)
  if #endpoint == 6 then return KEYS[1], KEYS[5] end
  return KEYS[2], KEYS[6]
end
local function find(endpoint)
  local near, far = near_and_far(endpoint)
  return redis.call('HGET', near, endpoint) or redis.call('HGET', far, endpoint)
end
local function is_set(member, bit) return math.floor(string.byte(member, 21) / bit) % 2 == 1 end
local function has_id(member, id) return member and string.sub(member, 1, 20) == id end
local function put(endpoint, before, id, flags)
  local near, far = near_and_far(endpoint)
  local is_far = math.floor(flags / FAR) % 2 == 1
  if before and is_set(before, FAR) ~= is_far then redis.call('HDEL', is_far and near or far, endpoint) end
  redis.call('HSET', is_far and far or near, endpoint, id .. string.char(flags))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function remove(endpoint, member)
  local near, far = near_and_far(endpoint)
  if is_set(member, SEED) then redis.call('HINCRBY', COUNTS, 'seeders', -1) end
  redis.call('HDEL', is_set(member, FAR) and far or near, endpoint)
  redis.call('ZREM', DUE, endpoint)
  redis.call('ZREM', PROBES, endpoint)
  redis.call('HDEL', HAVE, endpoint)
  redis.call('ZREM', REPORTS, endpoint)
  if redis.call('ZCARD', DUE) == 0 then redis.call('DEL', COUNTS) end
end
-- Some of the keys outlive the others by a moment.
if redis.call('EXISTS', DUE) == 0 then redis.call('DEL', unpack(KEYS)) end
for _, endpoint in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, ${OVERDUE_MAX})) do
  local member = find(endpoint)
  if member then remove(endpoint, member) else redis.call('ZREM', DUE, endpoint) end
end
local function counts()
  local kept = redis.call('HMGET', COUNTS, 'seeders', 'completed', 'listed')
  return tonumber(kept[1] or 0), redis.call('ZCARD', DUE), tonumber(kept[2] or 0), tonumber(kept[3] or 0)
end
local function renew(key)
  redis.call('PEXPIRE', key, math.max(1, redis.call('PTTL', DUE)) + ${LISTED_MS})
end
local function draw(key, room, endpoint, id)
  local picked = {}
  local drawn = redis.call('HRANDFIELD', key, room + 2, 'WITHVALUES')
  for i = 1, #drawn, 2 do
    if #picked >= 2 * room then break end
    if drawn[i] ~= endpoint and string.sub(drawn[i + 1], 1, 20) ~= id then
      picked[#picked + 1] = drawn[i]
      picked[#picked + 1] = drawn[i + 1]
    end
  end
  return picked
end
local function pick(own, wanted, others, endpoint, id)
  local picked = {{}, {}}
  for _, family in ipairs({own, 3 - own}) do
    for _, key in ipairs({KEYS[family], KEYS[family + 4]}) do
      if wanted <= 0 or others <= 0 then return picked end
      local drawn = draw(key, wanted, endpoint, id)
      wanted, others = wanted - #drawn / 2, others - #drawn / 2
      for _, part in ipairs(drawn) do table.insert(picked[family], part) end
    end
  end
  return picked
end
local function first_probe()
  local first = redis.call('ZRANGE', PROBES, 0, 0, 'WITHSCORES')
  return first[2] or ''
end
`

/**
 * ARGV: endpoint, peer id, left ('0' = a seed), event, peers wanted (-1 = as the tracker likes), longest full
 * list, size of a sample, lifetime in milliseconds, '1' when somebody is probed, '1' when this one may
 * be, '1' when it may come in anew.
 * Answers seeders, members, completed, for each family members as endpoint, member, endpoint, member ..., 1
 * when it was there before, 2 when another one was at its endpoint, 0 when nobody was, -1 when it had to stay
 * out, and when the swarm wants to be listed for its first probe ('' = not now).
 */
export const ANNOUNCE = `${COMMON}
local endpoint, id, left, event = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wanted, full_list, sample, lifetime = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local before = find(endpoint)
local is_same = has_id(before, id)
if event == 'stopped' then
  if is_same then remove(endpoint, before) end
  local seeders, members, completed = counts()
  return {seeders, members, completed, {}, {}, 0, ''}
end
if not before and ARGV[11] ~= '1' then
  local seeders, members, completed = counts()
  return {seeders, members, completed, {}, {}, -1, ''}
end
local is_seed, has_completed = left == '0', is_same and is_set(before, COMPLETED)
if event == 'completed' and not has_completed then
  has_completed = true
  redis.call('HINCRBY', COUNTS, 'completed', 1)
end
local change = (is_seed and 1 or 0) - ((before and is_set(before, SEED)) and 1 or 0)
if change ~= 0 then redis.call('HINCRBY', COUNTS, 'seeders', change) end
local flags = (is_seed and SEED or 0) + (has_completed and COMPLETED or 0)
local is_unprobed = ARGV[10] ~= '1'
if before then is_unprobed = is_set(before, UNPROBED) end
if is_unprobed then flags = flags + UNPROBED end
if is_same then
  for _, bit in ipairs({REACHED, FAR, REPORTED}) do if is_set(before, bit) then flags = flags + bit end end
elseif before then
  redis.call('ZREM', PROBES, endpoint)
  redis.call('HDEL', HAVE, endpoint)
  redis.call('ZREM', REPORTS, endpoint)
end
put(endpoint, before, id, flags)
redis.call('ZADD', DUE, now + lifetime, endpoint)
local is_new = ARGV[9] == '1' and not is_unprobed and redis.call('ZADD', PROBES, 'NX', now, endpoint) == 1
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], lifetime) end
local seeders, members, completed, listed = counts()
local list_at, is_due = '', listed <= now
if is_new or is_due then
  list_at = first_probe()
  -- Whoever was due before has had the swarm listed.
  if not is_due and tonumber(list_at) < now then list_at = '' end
  redis.call('PEXPIRE', PROBES, lifetime + ${LISTED_MS})
end
if is_due then
  redis.call('HSET', COUNTS, 'listed', now + ${LISTED_MS})
  redis.call('PEXPIRE', COUNTS, lifetime)
  for i = 5, 8 do redis.call('PEXPIRE', KEYS[i], lifetime + ${LISTED_MS}) end
end
if wanted < 0 then
  wanted = members - 1
  if wanted > full_list then wanted = sample end
end
local picked = pick(#endpoint == 6 and 1 or 2, wanted, members - 1, endpoint, id)
return {seeders, members, completed, picked[1], picked[2], is_same and 1 or before and 2 or 0, list_at}
`

/** Answers seeders, members, completed. */
export const COUNTS = `${COMMON}
return {counts()}
`

/**
 * ARGV: endpoint, and the peer id it must have ('' = any). Answers 1 when it was there and is gone.
 */
export const REMOVE = `${COMMON}
local member = find(ARGV[1])
if not member or (ARGV[2] ~= '' and not has_id(member, ARGV[2])) then return 0 end
remove(ARGV[1], member)
return 1
`
