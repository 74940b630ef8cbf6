-- Removes a session of an owner. Another owner's session is not in the index, and stays.
-- KEYS: 1 session, 2 index. ARGV: 1 id.
-- Returns 1, or 0 if the owner has no such session.
local session, index, id = KEYS[1], KEYS[2], ARGV[1]
if not redis.call('ZSCORE', index, id) then return 0 end
local killed = redis.call('DEL', session)
redis.call('ZREM', index, id)
-- While a slot moves, a server refuses to look for an index that is gone with its last member.
pcall(keep_index, index, clock())
return killed
