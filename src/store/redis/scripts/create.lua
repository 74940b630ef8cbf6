-- Stores a new session and lists it in its owner's index.
-- KEYS: 1 session, 2 index. ARGV: 1 id, 2 ttl_ms (0: never expires), 3 owner and 4 data as JSON.
-- Returns 1. May run twice: it writes the same.
-- First, as it is what fails: for want of memory, or if the index is not one.
redis.call('ZADD', KEYS[2], expiry or '+inf', ARGV[1])
local record = ARGV[3] .. '\n{"createdAt":' .. now .. '}\n' .. ARGV[4]
if expiry then
  redis.call('SET', KEYS[1], record, 'PXAT', expiry)
else
  redis.call('SET', KEYS[1], record)
end
-- Most owners have one session: nothing to look for beside it.
if expiry and redis.call('ZCARD', KEYS[2]) == 1 then
  redis.call('PEXPIREAT', KEYS[2], expiry)
else
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. now)
  keep_index(KEYS[2])
end
return 1
