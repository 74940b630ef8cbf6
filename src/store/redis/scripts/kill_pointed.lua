-- Removes the session that a pointer, or a public id, names, if it belongs to the owner.
-- KEYS: 1 session. ARGV: 1 mark, 2 owner as JSON, 3 nonce (empty: any).
-- Returns the nonce of the session that was removed, or 0 if the owner has no such session.
local session, owner = KEYS[1], ARGV[2]
local line = first_line(session)
local _, nonce = pointer_in(line)
if not nonce or string.match(line, MARK) ~= ARGV[1] then return 0 end
if ARGV[3] ~= '' and ARGV[3] ~= nonce then return 0 end
local second = redis.call('GETRANGE', session, #line + 1, #line + 1 + #owner)
if second ~= owner .. '\n' then return 0 end
redis.call('DEL', session)
return nonce
