-- Stores a new session and lists it in its owner's index.
-- KEYS: 1 session, 2 index. ARGV: 1 id, 2 ttl_ms (0: never expires), 3 owner and 4 data as JSON.
-- Returns 1. May run twice: it writes the same.
return each(2, 4, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  local id, expiry = ARGV[a + 1], expiry_after(ARGV[a + 2])
  -- First, as it is what fails: for want of memory, or if the index is not one.
  redis.call('ZADD', index, expiry or '+inf', id)
  local record = ARGV[a + 3] .. '\n{"createdAt":' .. now .. '}\n' .. ARGV[a + 4]
  if expiry then
    redis.call('SET', session, record, 'PXAT', expiry)
  else
    redis.call('SET', session, record)
  end
  -- Most owners have one session: nothing to look for beside it.
  if expiry and redis.call('ZCARD', index) == 1 then
    redis.call('PEXPIREAT', index, expiry)
  else
    redis.call('ZREMRANGEBYSCORE', index, '-inf', '(' .. now)
    keep_index(index)
  end
  return 1
end)
