-- Removes a session, whatever lies under its key.
-- KEYS: 1 session, 2 index. ARGV: 1 id.
-- Returns 1, or 0 if there is no such session.
local touched = {}
local results = each(2, 1, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  local killed = redis.call('DEL', session)
  -- An index that is not one keeps no session from being killed.
  if redis.pcall('ZREM', index, ARGV[a + 1]) == 1 then touched[#touched + 1] = index end
  return killed
end)
-- Most ended with their last member, so all are asked for at once: there are 32 at most, and unpack can take 7000.
-- While a slot moves, a server refuses to look for what it does not have; an index that lives too long is no
-- more than room taken.
if #touched > 0 and redis.pcall('EXISTS', unpack(touched)) ~= 0 then
  local now = clock()
  for _, index in ipairs(touched) do pcall(keep_index, index, now) end
end
return results
