-- Begins the scripts that let a session live longer. They keep the invariant: a live session is in its owner's index,
-- and the index outlives it.

-- The earlier of an expiry and the end of the session's lifetime, as text; nil if there is neither.
local function within_lifetime(expiry, line)
  local ends_at = string.match(line, ENDS_AT)
  if ends_at and (not expiry or tonumber(expiry) > tonumber(ends_at)) then return ends_at end
  return expiry
end

-- Sets when a session expires, as text; nil: never. Restores its index if that was lost. Returns 1, or 0 if there is
-- no such session.
local function set_expiry(session, index, id, expiry)
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
end
