/**
 * What Redis does when somebody asks or tells about peers one by one; keys and members are those of
 * `redis-scripts.ts`. Each call looks at a bounded number of members.
 */
import { LIMITS } from '../base/limits.ts'
import { COMMON } from './redis-scripts.ts'

/** A peer is probed for reports no more often. */
const REPORTED_PROBE_MS = 10_000
/** So many members of a swarm may tell of their pieces, which bounds what that takes. */
const TELLERS_MAX = Math.floor(LIMITS.trackerHaveRangesTotalMax.value / LIMITS.trackerHaveRangesMax.value)

/**
 * ARGV: peers wanted (-1 = as the tracker likes), longest full list, size of a sample, '1' to have their
 * pieces told. Answers members, and for each family endpoint, member, pieces ('' = never told), endpoint ...
 */
export const LIST = `${COMMON}
local wanted, full_list, sample = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local _, members = counts()
if wanted < 0 then wanted = members <= full_list and members or sample end
local picked = pick(1, math.min(wanted, ${LIMITS.trackerListedMax.value}), members, '', '')
local rows = {}
for _, family in ipairs(picked) do
  for i = 1, #family, 2 do
    rows[#rows + 1] = family[i]
    rows[#rows + 1] = family[i + 1]
    rows[#rows + 1] = ARGV[4] == '1' and redis.call('HGET', HAVE, family[i]) or ''
  end
end
return {members, rows}
`

/**
 * ARGV: endpoint, peer id, '1' when these replace what was told, then first and last index of each range,
 * ends in order. Kept as text, '=' and the numbers with blanks between. Answers 0 when there is no such peer.
 */
export const HAVE = `${COMMON}
local endpoint = ARGV[1]
if not has_id(find(endpoint), ARGV[2]) then return 0 end
local told = redis.call('HGET', HAVE, endpoint)
if not told and redis.call('HLEN', HAVE) >= ${TELLERS_MAX} then return 1 end
local ranges = {}
if told and ARGV[3] ~= '1' then
  for first, last in string.gmatch(told, '(%d+) (%d+)') do
    ranges[#ranges + 1] = {tonumber(first), tonumber(last)}
  end
end
for i = 4, #ARGV, 2 do ranges[#ranges + 1] = {tonumber(ARGV[i]), tonumber(ARGV[i + 1])} end
table.sort(ranges, function(one, other) return one[1] < other[1] end)
local merged = {}
for _, range in ipairs(ranges) do
  local before = merged[#merged]
  if before and range[1] <= before[2] + 1 then before[2] = math.max(before[2], range[2])
  else merged[#merged + 1] = range end
end
local parts = {}
for i = 1, math.min(#merged, ${LIMITS.trackerHaveRangesMax.value}) do
  parts[i] = string.format('%.0f %.0f', merged[i][1], merged[i][2])
end
redis.call('HSET', HAVE, endpoint, '=' .. table.concat(parts, ' '))
renew(HAVE)
return 1
`

/**
 * ARGV: endpoint of the accused; endpoint of who reports, or only its address; its peer id ('' = any member
 * at that address will do); '1' to act on it, else only say what would be. Answers an outcome
 * (`tracker/peer-desk.ts`): 'probing' is to be listed at once, 'waits' has its probe under way.
 */
export const REPORT = `${COMMON}
local accused, who, id = ARGV[1], ARGV[2], ARGV[3]
local function is_member()
  if id ~= '' then return has_id(find(who), id) end
  local near, far = near_and_far(#who == 4 and '123456' or '')
  local seen = 0
  for _, key in ipairs({near, far}) do
    local cursor = '0'
    repeat
      local page = redis.call('HSCAN', key, cursor, 'COUNT', 500)
      cursor = page[1]
      for i = 1, #page[2], 2 do
        if string.sub(page[2][i], 1, #who) == who then return true end
        seen = seen + 1
      end
    until cursor == '0' or seen >= ${LIMITS.trackerReporterScanMax.value}
  end
  return false
end
if not is_member() then return 'not-a-member' end
local member = find(accused)
if not member then return 'unknown-peer' end
if ARGV[4] ~= '1' then return 'probing' end
if is_set(member, UNPROBED) then return 'probed-lately' end
redis.call('ZREMRANGEBYSCORE', REPORTS, '-inf', now - ${REPORTED_PROBE_MS})
if redis.call('ZSCORE', REPORTS, accused) or redis.call('ZCARD', REPORTS) >= ${LIMITS.trackerReportsMax.value} then
  return 'probed-lately'
end
redis.call('ZADD', REPORTS, now, accused)
redis.call('PEXPIRE', REPORTS, ${REPORTED_PROBE_MS})
if not is_set(member, REPORTED) then
  put(accused, member, string.sub(member, 1, 20), string.byte(member, 21) + REPORTED)
end
local score = tonumber(redis.call('ZSCORE', PROBES, accused) or 0)
if score % 1 ~= 0 and score > now then return 'waits' end
redis.call('ZADD', PROBES, 0, accused)
renew(PROBES)
return 'probing'
`
