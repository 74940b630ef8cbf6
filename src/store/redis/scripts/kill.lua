-- Removes a session, whatever lies under its key.
-- KEYS: 1 session, 2 index. ARGV: 1 id.
-- Returns 1, or 0 if there is no such session.
return each(2, 1, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  local killed = redis.call('DEL', session)
  -- Neither an index that is not one keeps a session from being killed, nor one that ended with its last
  -- member: while a slot moves, a server refuses to look for what it does not have.
  if redis.pcall('ZREM', index, ARGV[a + 1]) == 1 and redis.pcall('EXISTS', index) == 1 then
    keep_index(index)
  end
  return killed
end)
