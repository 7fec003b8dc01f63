-- Keeps an answer, unless what it was asked under was forgotten meanwhile, a newer one is kept that is still fresh, or there is
-- no room.
--
-- KEYS[1]  the answer · KEYS[2] the epoch of its URL · KEYS[3] a sorted set: answers by the time in milliseconds at which they
--          end · KEYS[4] a hash: their sizes, and under "total" the sum · KEYS[5] when the answer that is kept was given, for as long as it is fresh.
-- ARGV     1 the answer, 2 for how many milliseconds it is kept, 3 the epoch that it was asked under, 4 for how many
--          milliseconds an epoch is remembered, 5 the most bytes of all, 6 when the answer was given, in milliseconds, 7 for how many
--          milliseconds it is fresh.
-- Answers  1 if it is kept.

local value, ttl, bound = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function forget(id)
    local size = tonumber(redis.call('HGET', KEYS[4], id))
    if size then redis.call('HINCRBY', KEYS[4], 'total', -size) end
    redis.call('HDEL', KEYS[4], id)
    redis.call('ZREM', KEYS[3], id)
end

redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4])
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[4])

local fresh, newest = tonumber(ARGV[7]), redis.call('GET', KEYS[5])
if newest and tonumber(newest) > tonumber(ARGV[6]) then return 0 end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 64)) do forget(id) end
forget(KEYS[1])
local total = tonumber(redis.call('HGET', KEYS[4], 'total')) or 0
if total + #value > bound then
    redis.call('DEL', KEYS[1], KEYS[5])
    return 0
end
redis.call('SET', KEYS[1], value, 'PX', ttl)
if fresh > 0 then redis.call('SET', KEYS[5], ARGV[6], 'PX', fresh) else redis.call('DEL', KEYS[5]) end
redis.call('ZADD', KEYS[3], now + ttl, KEYS[1])
redis.call('HSET', KEYS[4], KEYS[1], #value)
redis.call('HINCRBY', KEYS[4], 'total', #value)
redis.call('PEXPIRE', KEYS[3], ARGV[4])
redis.call('PEXPIRE', KEYS[4], ARGV[4])
return 1
