-- Counts the replicas that have been heard of lately.
--
-- KEYS[1]  a sorted set: names by the time in milliseconds at which each was last heard of.
-- ARGV     1 the name of the one that is heard of now, 2 for how many milliseconds a name counts.
-- Answers  how many count now.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
