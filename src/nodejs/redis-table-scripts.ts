/**
 * Tables in Redis, with a log of what changed, so that several processes have one view of them. A table is
 * three keys of one slot:
 *
 *   shoal:table:NAME            hash, key to value
 *   {shoal:table:NAME}:facts    hash: version, which every write raises by one; floor, up to which the log
 *                               was cut
 *   {shoal:table:NAME}:log      sorted set, key to the version that changed it last
 *
 * Invariants: a process that has seen version v finds every later change in the log, or v below the floor, or
 * above the version, and then reads everything; a Redis that lost its data starts at a version that none of
 * the earlier ones reached (milliseconds since 1970 times 1000). The log has at most CHANGES_MAX keys.
 */

const CHANGES_MAX = 1000

export function tableKeys(table: string): readonly string[] {
  const hash = `shoal:table:${table}`
  return [hash, `{${hash}}:facts`, `{${hash}}:log`]
}

const COMMON = `
local function text(number) return string.format('%.0f', number) end
local function version()
  local known = redis.call('HGET', KEYS[2], 'version')
  if known then return tonumber(known) end
  local time = redis.call('TIME')
  local first = time[1] * 1000000 + math.floor(time[2] / 1000) * 1000
  redis.call('HSET', KEYS[2], 'version', text(first), 'floor', text(first))
  return first
end
local function write(key, value)
  if value then redis.call('HSET', KEYS[1], key, value)
  elseif redis.call('HDEL', KEYS[1], key) == 0 then return end
  local reached = text(version() + 1)
  redis.call('HSET', KEYS[2], 'version', reached)
  redis.call('ZADD', KEYS[3], reached, key)
  local over = redis.call('ZCARD', KEYS[3]) - ${CHANGES_MAX}
  if over <= 0 then return end
  local cut = redis.call('ZRANGE', KEYS[3], 0, over - 1, 'WITHSCORES')
  redis.call('HSET', KEYS[2], 'floor', text(tonumber(cut[#cut])))
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, over - 1)
end
`

/** ARGV: key, and the value unless it is to go. */
export const WRITE = `${COMMON}
write(ARGV[1], ARGV[2] or false)
return 1
`

/**
 * ARGV: key, '1' when a value must stand there, that, '1' when one is to stand there, that. Answers 0 or 1.
 */
export const SWAP = `${COMMON}
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known ~= (ARGV[2] == '1' and ARGV[3]) then return 0 end
write(ARGV[1], ARGV[4] == '1' and ARGV[5])
return 1
`

/**
 * ARGV: version that was seen (-1 = none), most changes wanted, keys to tell in any case.
 * Answers the version that is reached with this, 1 when everything is to be read, and key,
 * value (nil = gone), key, value ...
 */
export const CHANGES = `${COMMON}
local since, now = tonumber(ARGV[1]), version()
if since < tonumber(redis.call('HGET', KEYS[2], 'floor')) or since > now then return {text(now), 1} end
local answer = {text(now), 0}
local function tell(key)
  answer[#answer + 1] = key
  answer[#answer + 1] = redis.call('HGET', KEYS[1], key)
end
for i = 3, #ARGV do tell(ARGV[i]) end
if since == now then return answer end
local changes = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #changes, 2 do tell(changes[i]) end
if #changes == 2 * ARGV[2] then answer[1] = text(tonumber(changes[#changes])) end
return answer
`
