-- Reads a session, and when it expires.
-- KEYS: 1 session.
-- Returns the record, and when it expires in ms (-1: never), or nothing if there is no such session.
local session = KEYS[1]
local record = redis.call('GET', session)
if not record then return false end
local expiry = redis.pcall('PEXPIRETIME', session) -- Redis 7 has it
if type(expiry) ~= 'number' then
  local left = redis.call('PTTL', session)
  expiry = left == -1 and -1 or clock() + left
end
return { record, expiry }
