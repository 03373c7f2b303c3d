/**
 * How tracker processes share the probes of a swarm's members so that none is probed twice.
 *
 * The score of a member in `probes` (`redis-scripts.ts`) is when it is due, in whole milliseconds, 0 when it
 * was reported; or, with a half behind it, when the lease of the process that probes it ends. That number is
 * the token of the lease: a result without it changes nothing, so what a process finds that was thought dead,
 * or of a peer that has left, is void. Who dies loses its leases by time.
 *
 * Which swarms have somebody due stands in `SHARDS` further keys, each in a slot of its own:
 *
 *   shoal:{probes-N}   sorted set, infohash (20 bytes) to the millisecond at which somebody is due there
 *
 * No script can touch both, so this list may name swarms too early, and then costs a look. It is not too late
 * for long: who makes somebody due earlier lowers it, `UNLEASE` keeps what was lowered meanwhile, and an
 * announce lists its swarm again every 30 seconds should a process have died between the two.
 */
import { COMMON } from './redis-scripts.ts'

/**
 * ARGV: most swarms, milliseconds. KEYS: one shard. Answers the end of the lease, then swarms that are due,
 * which nobody else gets before that end.
 */
export const LEASE_SWARMS = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local swarms = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
local ends = string.format('%.1f', now + ARGV[2] + 0.5)
for _, swarm in ipairs(swarms) do redis.call('ZADD', KEYS[1], ends, swarm) end
table.insert(swarms, 1, ends)
return swarms
`

/** KEYS: one shard. ARGV: swarm, end of the lease, when somebody is due next ('' = nobody is left). */
export const UNLEASE = `
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
local is_mine = not score or tonumber(score) == tonumber(ARGV[2])
if ARGV[3] == '' then
  if is_mine then redis.call('ZREM', KEYS[1], ARGV[1]) end
elseif is_mine then
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
else
  redis.call('ZADD', KEYS[1], 'LT', ARGV[3], ARGV[1])
end
return 1
`

/**
 * ARGV: most members, length of the lease in milliseconds. Answers the end of the lease, when somebody is due
 * next ('' = never), then endpoint, member, endpoint, member ... of those that are to be probed.
 */
export const LEASE_MEMBERS = `${COMMON}
local ends = string.format('%.1f', now + ARGV[2] + 0.5)
local leased = {}
for _, endpoint in ipairs(redis.call('ZRANGEBYSCORE', PROBES, '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local member = find(endpoint)
  if member then
    redis.call('ZADD', PROBES, ends, endpoint)
    leased[#leased + 1] = endpoint
    leased[#leased + 1] = member
  else redis.call('ZREM', PROBES, endpoint) end
end
table.insert(leased, 1, first_probe())
table.insert(leased, 1, ends)
return leased
`

/**
 * ARGV: endpoint, peer id, end of the lease, its length and the period in milliseconds, result.
 * Answers what becomes of the peer (`stays`, `removed`, or `void`), 1 when it was probed for a report, 1 when
 * that found it alive, and when somebody is due next. The rules are those of `tracker/heartbeat.ts`.
 */
export const RESULT = `${COMMON}
local endpoint, id, result = ARGV[1], ARGV[2], ARGV[6]
local member, score = find(endpoint), redis.call('ZSCORE', PROBES, endpoint)
if not has_id(member, id) or not score or tonumber(score) ~= tonumber(ARGV[3]) then return {'void', 0, 0, ''} end
local is_reported = is_set(member, REPORTED)
local is_alive = result == 'ok' or (result == 'closed' and not is_reported)
if not is_alive and (is_reported or result == 'silent' or is_set(member, REACHED)) then
  remove(endpoint, member)
  return {'removed', is_reported and 1 or 0, 0, first_probe()}
end
local flags = string.byte(member, 21)
if is_reported then flags = flags - REPORTED end
if result == 'ok' then
  if is_set(member, FAR) then flags = flags - FAR end
  if not is_set(member, REACHED) then flags = flags + REACHED end
elseif result == 'unreachable' and not is_set(member, FAR) then flags = flags + FAR end
if flags ~= string.byte(member, 21) then
  put(endpoint, member, id, flags)
  for _, key in ipairs({near_and_far(endpoint)}) do renew(key) end
end
local began = tonumber(ARGV[3]) - 0.5 - ARGV[4]
redis.call('ZADD', PROBES, string.format('%.0f', math.max(now, began + ARGV[5])), endpoint)
return {'stays', is_reported and 1 or 0, is_alive and 1 or 0, first_probe()}
`
