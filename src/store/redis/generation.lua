-- Begins a generation of a slot, unless the one that is there holds.
--
-- A generation is what one run of one server knows of the accounts in a slot without a gap. A server that was started
-- again, a replica that was promoted, a slot that was deleted or evicted and one that went back to an earlier state (a
-- restored snapshot) have forgotten something: their next generation takes everything as used when it begins.
--
-- KEYS[1]  the history of the slot, a sorted set. Scores of the generation are -1 - n, those of accounts are not negative:
--          run:<run_id of the server>  n: when the generation begins, in microseconds; until then nothing is granted
--          generation                  n: its number, which grows
--          count                       n: how many exchanges there were in it
--          <key of an account>         until when the account is in use, in microseconds; if it is missing before, it is lost
-- ARGV     1 for how many microseconds units may still be held that were granted before, 2 whether nothing was ever used
--          (1: yes), 3 and 4 the generation and the count of exchanges that the asker has seen in this slot.
-- Answers  1 if a generation was begun, 0 if the one that is there holds.

local lease, is_first = tonumber(ARGV[1]), ARGV[2] == '1'
local seen, seen_count = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function text(n) return string.format('%.0f', n) end

local run = 'run:' .. string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local function recorded(member)
  local score = redis.call('ZSCORE', KEYS[1], member)
  return score and -1 - tonumber(score)
end
local born, generation, count = recorded(run), recorded('generation'), recorded('count')
local holds = born and generation and count
if holds and (generation > seen or (generation == seen and count >= seen_count)) then return 0 end

if is_first and seen == 0 and redis.call('EXISTS', KEYS[1]) == 0 then
  born = 0
else
  born = now_us + lease
end
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], text(-1 - born), run, text(-2 - math.max(generation or 0, seen)), 'generation', '-1', 'count')
return 1
