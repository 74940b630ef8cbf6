-- Gives a session a new time to live, and restores its index if that was lost.
-- KEYS: 1 session, 2 index. ARGV: 1 id, 2 ttl_ms (0: never expires).
-- Returns 1, or 0 if there is no such session.
return each(2, 2, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  local id, expiry = ARGV[a + 1], expiry_after(ARGV[a + 2])
  local listed = redis.call('ZCARD', index) -- fails, before anything is written, if it is no index
  -- The session comes first: if no memory is left, a script may still write after its first write.
  if expiry then
    if redis.call('PEXPIREAT', session, expiry) == 0 then return 0 end
  else
    if redis.call('EXISTS', session) == 0 then return 0 end
    redis.call('PERSIST', session)
  end
  listed = listed + redis.call('ZADD', index, expiry or '+inf', id)
  if listed == 1 and expiry then
    redis.call('PEXPIREAT', index, index_expiry(expiry, now))
  else
    keep_index(index, now)
  end
  return 1
end)
