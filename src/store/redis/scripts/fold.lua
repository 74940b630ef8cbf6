-- Replaces the head of a record by its folded form and keeps what was appended since.
-- KEYS: 1 session. ARGV: 1 the head that was read, 2 its folded form.
-- Returns the record's new length in bytes, or 0 if the head has changed: somebody else has folded,
-- or the session is gone.
local length = #ARGV[1]
if redis.call('GETRANGE', KEYS[1], 0, length - 1) ~= ARGV[1] then return 0 end
local appended = redis.call('GETRANGE', KEYS[1], length, -1)
local record = ARGV[2] .. appended
redis.call('SET', KEYS[1], record, 'KEEPTTL')
return #record
