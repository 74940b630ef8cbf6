-- Removes a session, even if its key holds something else.
-- KEYS: 1 session, 2 index. ARGV: 1 id.
-- Returns 1, or 0 if there is no such session. If an owner's pointer to it is left, returns a list: 1, the hash of the owner
-- and the nonce.
local touched = {}
local results = each(2, 1, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  -- A session can be killed even if its index is not a sorted set.
  if redis.pcall('ZREM', index, ARGV[a + 1]) == 1 then
    touched[#touched + 1] = index
    return redis.call('DEL', session)
  end
  local done, line = pcall(first_line, session)
  local killed = redis.call('DEL', session)
  local owner, nonce = pointer_in(done and line or '')
  return owner and { killed, owner, nonce } or killed
end)
-- Most indexes are gone with their last member, so one EXISTS checks all of them. There are 32 at most, and unpack
-- can take 7000. While a slot moves, a server refuses to look for a key that it does not have. An index that lives
-- too long only takes memory.
if #touched > 0 and redis.pcall('EXISTS', unpack(touched)) ~= 0 then
  local now = clock()
  for _, index in ipairs(touched) do pcall(keep_index, index, now) end
end
return results
