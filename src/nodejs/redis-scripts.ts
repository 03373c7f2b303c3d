/**
 * What Redis does in one step, so that several tracker processes have one view of a swarm. A swarm is four
 * keys that share a hash tag, and so a slot of a cluster:
 *
 *   shoal:{INFOHASH}:v4      hash, endpoint (6 bytes, BEP 23) to member
 *   shoal:{INFOHASH}:v6      hash, endpoint (18 bytes, BEP 7) to member
 *   shoal:{INFOHASH}:due     sorted set, endpoint to the millisecond at which it has been silent too long
 *   shoal:{INFOHASH}:counts  hash: seeders, completed
 *
 * A member is the 20 bytes of its peer id and one of flags: 1 = seed, 2 = has completed.
 * Invariants: the three kinds of key name the same endpoints; `seeders` is the number of members with flag 1;
 * an empty swarm does not exist;
 * each call removes at most `OVERDUE_MAX` members, so that none takes long; a swarm that nobody announces to
 * is gone with its lifetime, whether a process is left to notice or not. Time is that of Redis, since the
 * clocks of the processes may differ.
 */

/** Silent members removed in one call. */
const OVERDUE_MAX = 100

/** KEYS: v4, v6, due, counts. Defines what the scripts share. */
const COMMON = `
local function family(endpoint) if #endpoint == 6 then return KEYS[1] end return KEYS[2] end
local function is_set(member, bit) return math.floor(string.byte(member, 21) / bit) % 2 == 1 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function remove(endpoint, member)
  if is_set(member, 1) then redis.call('HINCRBY', KEYS[4], 'seeders', -1) end
  redis.call('HDEL', family(endpoint), endpoint)
  redis.call('ZREM', KEYS[3], endpoint)
  if redis.call('ZCARD', KEYS[3]) == 0 then redis.call('DEL', KEYS[4]) end
end
for _, endpoint in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, ${OVERDUE_MAX})) do
  local member = redis.call('HGET', family(endpoint), endpoint)
  if member then remove(endpoint, member) else redis.call('ZREM', KEYS[3], endpoint) end
end
local function counts()
  local kept = redis.call('HMGET', KEYS[4], 'seeders', 'completed')
  return tonumber(kept[1] or 0), redis.call('ZCARD', KEYS[3]), tonumber(kept[2] or 0)
end
`

/**
 * ARGV: endpoint, peer id, left ('0' = a seed), event, peers wanted (-1 = as the tracker likes), longest full
 * list, size of a sample, lifetime in milliseconds.
 * Answers seeders, members, completed, and for each family members as endpoint, member, endpoint, member ...
 */
export const ANNOUNCE = `${COMMON}
local endpoint, id, left, event = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wanted, full_list, sample, lifetime = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local own = family(endpoint)
local before = redis.call('HGET', own, endpoint)
local is_same = before and string.sub(before, 1, 20) == id
if event == 'stopped' then
  if is_same then remove(endpoint, before) end
  local seeders, members, completed = counts()
  return {seeders, members, completed, {}, {}}
end
local is_seed, has_completed = left == '0', is_same and is_set(before, 2)
if event == 'completed' and not has_completed then
  has_completed = true
  redis.call('HINCRBY', KEYS[4], 'completed', 1)
end
local change = (is_seed and 1 or 0) - ((before and is_set(before, 1)) and 1 or 0)
if change ~= 0 then redis.call('HINCRBY', KEYS[4], 'seeders', change) end
redis.call('HSET', own, endpoint, id .. string.char((is_seed and 1 or 0) + (has_completed and 2 or 0)))
redis.call('ZADD', KEYS[3], now + lifetime, endpoint)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, lifetime) end
local seeders, members, completed = counts()
if wanted < 0 then
  wanted = members - 1
  if wanted > full_list then wanted = sample end
end
local function pick(key, room)
  local picked = {}
  if room <= 0 then return picked end
  local drawn = redis.call('HRANDFIELD', key, room + 1, 'WITHVALUES')
  for i = 1, #drawn, 2 do
    if #picked >= 2 * room then break end
    if drawn[i] ~= endpoint and string.sub(drawn[i + 1], 1, 20) ~= id then
      picked[#picked + 1] = drawn[i]
      picked[#picked + 1] = drawn[i + 1]
    end
  end
  return picked
end
local first = pick(own, wanted)
local second = pick(own == KEYS[1] and KEYS[2] or KEYS[1], wanted - #first / 2)
if own == KEYS[1] then return {seeders, members, completed, first, second} end
return {seeders, members, completed, second, first}
`

/** Answers seeders, members, completed. */
export const COUNTS = `${COMMON}
return {counts()}
`

/**
 * ARGV: endpoint, and the peer id it must have ('' = any). Answers 1 when it was there and is gone.
 */
export const REMOVE = `${COMMON}
local member = redis.call('HGET', family(ARGV[1]), ARGV[1])
if not member or (ARGV[2] ~= '' and string.sub(member, 1, 20) ~= ARGV[2]) then return 0 end
remove(ARGV[1], member)
return 1
`
