-- One exchange of a lease: `LeaseAccount::exchange` of src/domain/lease/account.rs, step by step, inside Redis.
--
-- KEYS[1]  the account, a hash: refill, unit, burst, version (its terms), level (ticks), at (microseconds), and for each
--          holder h:<id> = "<units> <seq> <until in microseconds>". Missing: all of it was used when the generation began.
-- KEYS[2]  the history of the slot, a sorted set; see src/store/redis/generation.lua. Missing: no generation.
-- ARGV     1 version, 2 refill (limit; 0 for places), 3 unit (window; 1 for places), 4 burst, 5 microseconds in a moment,
--          6 holder, 7 seq, 8 keep, 9 back, 10 used_ago, 11 how many were forced, 12 sent (-1: unknown), 13 need,
--          14 waiting, 15 want, 16 lease, 17 at_least, 18 terms_ago, 19 and 20 the generation and the count of exchanges
--          that the asker has seen in this slot, then units and ago of each that was forced and of each refund.
--          Times are in moments.
-- Answers  {0} forgotten: what was used before is not known · {1} stale ·
--          {2, at, kept, granted, free, full_in, fits_in (-1: never), holders, generation, count}
--
-- Every number is a whole one below 2^53, which a Lua number holds exactly. A product with an age may be larger and is
-- then rounded, but only ever compared with numbers that it exceeds either way.

local argv = {}
for i, text in ipairs(ARGV) do argv[i] = tonumber(text) end
local version, refill, unit, burst, moment = argv[1], argv[2], argv[3], argv[4], argv[5]
local holder, seq, lease = 'h:' .. ARGV[6], argv[7], argv[16]
local MOST = 4503599627370496 -- 2^52

local function down(a, b) return (a - a % b) / b end
local function up(a, b) return down(a + b - 1, b) end
local function text(n) return string.format('%.0f', n) end

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- The generation holds for one run of one server, and for nobody who has seen more of it than is here.
local run = 'run:' .. string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local function recorded(member)
  local score = redis.call('ZSCORE', KEYS[2], member)
  return score and -1 - tonumber(score)
end
local born, generation, count = recorded(run), recorded('generation'), recorded('count')
if not born or not generation or not count or born > now_us then return {0} end
if generation < argv[19] or (generation == argv[19] and count < argv[20]) then return {0} end

-- The account as it is stored.
local stored, holders = {}, {}
local fields = redis.call('HGETALL', KEYS[1])
local idle_at = tonumber(redis.call('ZSCORE', KEYS[2], KEYS[1]) or nil)
if #fields > 0 and not idle_at then
  -- It is of an earlier generation.
  redis.call('DEL', KEYS[1])
  fields = {}
end
for i = 1, #fields, 2 do
  local units, heard, ends = string.match(fields[i + 1], '^(%d+) (%d+) (%d+)$')
  if units then
    holders[fields[i]] = {units = tonumber(units), seq = tonumber(heard), ends = up(tonumber(ends), moment)}
  else
    stored[fields[i]] = tonumber(fields[i + 1])
  end
end
local asked = {version = version, refill = refill, unit = unit, burst = burst}
local terms, level, at = asked, 0, down(born, moment)
if #fields > 0 then
  terms = {version = stored.version, refill = stored.refill, unit = stored.unit, burst = stored.burst}
  level, at = stored.level, down(stored.at, moment)
elseif refill > 0 then
  level = burst * unit
end
local now = math.max(down(now_us, moment), at)
if #fields == 0 and idle_at and idle_at > now_us then
  -- It was deleted or evicted while it was in use. All of it may be held elsewhere until the longest lease has ended.
  level, at = 0, now
  holders['h:lost'] = {units = burst, seq = 0, ends = now + lease}
  redis.call('HSET', KEYS[1], 'h:lost', text(burst) .. ' 0 ' .. text((now + lease) * moment))
end

local own = holders[holder]
if own and own.ends > now and own.seq >= seq then return {1} end

-- Time passes.
local function pass(to)
  level = math.max(level - (to - at) * terms.refill, -MOST)
  at = to
end

-- Newer terms find the same units used, and hold since they came into force.
if version > terms.version then
  pass(math.max(now - argv[18], at))
  local used = down(math.max(level + terms.unit - 1, 0), terms.unit)
  level = (terms.refill > 0 and refill > 0) and used * unit or 0
  terms = asked
end
pass(now)

local function charge(units, ago)
  if units > 0 and terms.refill > 0 then
    level = math.min(math.max(level, -ago * terms.refill) + units * terms.unit, MOST)
  end
end

-- What is held beyond the end of its lease was used at its end.
local ended = {}
for id, holding in pairs(holders) do
  if holding.ends <= now then
    ended[#ended + 1] = holding
    redis.call('HDEL', KEYS[1], id)
    holders[id] = nil
  end
end
table.sort(ended, function(a, b) return a.ends < b.ends end)
for _, holding in ipairs(ended) do charge(holding.units, now - holding.ends) end

-- What was counted elsewhere before.
if terms.refill > 0 and argv[17] > 0 then level = math.min(math.max(level, argv[17] * terms.unit), MOST) end

-- The holder's earlier units.
own = holders[holder] or {units = 0, ends = 0}
local kept = math.min(argv[8], own.units)
charge(math.max(own.units - kept - argv[9], 0), argv[10])
own = {units = kept, seq = seq, ends = math.max(now + lease, own.ends)}
holders[holder] = own

-- Refunds.
local sent = argv[12]
if sent >= 0 and sent + lease > now then
  for i = 21 + 2 * argv[11], #argv, 2 do
    local refilled = (argv[i + 1] + math.max(now - sent, 0)) * terms.refill
    local given = math.max(argv[i] * terms.unit - refilled, 0)
    level = math.max(level - given, math.min(level, 0))
  end
end

-- What was used without a grant, but for what counted as used when the generation began; places are held.
for i = 21, 19 + 2 * argv[11], 2 do
  if terms.refill == 0 then
    own.units = own.units + argv[i]
  elseif now - argv[i + 1] >= down(born, moment) then
    charge(argv[i], argv[i + 1])
  end
end
kept = own.units

-- What is held, by how many, and until when.
local function look()
  local held, holding, others, last, latest = 0, 0, 0, now, now
  for id, own in pairs(holders) do
    latest = math.max(latest, own.ends)
    if own.units > 0 then
      held, holding, last = held + own.units, holding + 1, math.max(last, own.ends)
      if id ~= holder then others = others + 1 end
    end
  end
  return held, holding, others, last - now, latest - now
end

local function refill_in(ticks)
  return terms.refill > 0 and up(math.max(ticks, 0), terms.refill) or 0
end

-- The grant.
local held, holding, others, ended_in, latest_in = look()
local need, waiting, want = argv[13], math.max(argv[14], argv[13]), argv[15]
local free_ticks = terms.burst * terms.unit - math.max(level, 0) - held * terms.unit
local free = down(math.max(free_ticks, 0), terms.unit)
local granted, fits_in = 0, 0
if free >= need then
  granted = math.min(free, math.max(waiting, math.min(down(free, (others + 1) * 2), want)))
  own.units = own.units + granted
elseif need > terms.burst then
  fits_in = -1
else
  local missing = need * terms.unit - free_ticks
  fits_in = refill_in(missing)
  if missing > math.max(level, 0) then fits_in = fits_in + ended_in end
end

held, holding, others, ended_in, latest_in = look()
free_ticks = terms.burst * terms.unit - math.max(level, 0) - held * terms.unit
local used_in = refill_in(math.max(level, 0) + held * terms.unit)
local full_in = terms.refill > 0 and used_in or ended_in

redis.call('HSET', KEYS[1], 'version', text(terms.version), 'refill', text(terms.refill), 'unit', text(terms.unit),
  'burst', text(terms.burst), 'level', text(level), 'at', text(now * moment),
  holder, text(own.units) .. ' ' .. text(own.seq) .. ' ' .. text(own.ends * moment))
-- By then everything has refilled and every lease has ended: missing means full. An absolute time, because PEXPIRE would
-- count from when Redis began to read this command, which may be earlier than TIME.
idle_at = (now + latest_in + used_in) * moment
redis.call('PEXPIREAT', KEYS[1], text(up(idle_at, 1000) + 1))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '0', '(' .. text(now_us))
redis.call('ZADD', KEYS[2], text(idle_at), KEYS[1], text(-2 - count), 'count')

return {2, now, kept, granted, down(math.max(free_ticks, 0), terms.unit), full_in, fits_in, holding, generation, count + 1}
