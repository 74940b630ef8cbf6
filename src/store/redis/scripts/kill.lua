-- Removes a session, whatever lies under its key.
-- KEYS: 1 session, 2 index. ARGV: 1 id.
-- Returns 1, or 0 if there is no such session.
local killed = redis.call('DEL', KEYS[1])
-- An index that is not one does not keep a session from being killed. One that ended with its last
-- member is not asked for: while a slot moves, a server refuses to look for what it does not have.
local listed = redis.pcall('ZCARD', KEYS[2])
if redis.pcall('ZREM', KEYS[2], ARGV[1]) == 1 and listed > 1 then keep_index(KEYS[2]) end
return killed
