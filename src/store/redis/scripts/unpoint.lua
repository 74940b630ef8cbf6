-- Drops the pointer to a session that has ended.
-- KEYS: 1 the owner's pointers. ARGV: 1 pointer.
-- Returns 1, or 0 if there is no such pointer.
local dropped = redis.call('ZREM', KEYS[1], ARGV[1])
-- While a slot moves, a server refuses to look for pointers that are gone with the last one.
if dropped == 1 then pcall(keep_index, KEYS[1], clock()) end
return dropped
