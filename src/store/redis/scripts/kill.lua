-- Removes a session, whatever lies under its key.
-- KEYS: 1 session, 2 index. ARGV: 1 id.
-- Returns 1, or 0 if there is no such session.
return each(2, 1, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  local killed = redis.call('DEL', session)
  -- An index that is not one does not keep a session from being killed. One that ended with its last
  -- member is not asked for: while a slot moves, a server refuses to look for what it does not have.
  local listed = redis.pcall('ZCARD', index)
  if redis.pcall('ZREM', index, ARGV[a + 1]) == 1 and listed > 1 then keep_index(index) end
  return killed
end)
