-- Appends a merge patch to a session, whose expiry stays.
-- KEYS: 1 session. ARGV: 1 patch as JSON.
-- Returns the record's length in bytes, or 0 if there is no such session.
return each(1, 1, function(k, a)
  local session = KEYS[k + 1]
  if redis.call('EXISTS', session) == 0 then return 0 end
  return redis.call('APPEND', session, '\n' .. ARGV[a + 1])
end)
