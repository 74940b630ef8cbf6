-- Gives a session a new time to live; an index that was lost is healed.
-- KEYS: 1 session, 2 index. ARGV: 1 id, 2 ttl_ms (0: never expires).
-- Returns 1, or 0 if there is no such session.
local listed = redis.call('ZCARD', KEYS[2]) -- fails, before anything is written, if it is no index
-- The session first: with no memory left a script may still write once it has written.
if expiry then
  if redis.call('PEXPIREAT', KEYS[1], expiry) == 0 then return 0 end
else
  if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
  redis.call('PERSIST', KEYS[1])
end
listed = listed + redis.call('ZADD', KEYS[2], expiry or '+inf', ARGV[1])
if listed == 1 and expiry then
  redis.call('PEXPIREAT', KEYS[2], expiry)
else
  keep_index(KEYS[2])
end
return 1
