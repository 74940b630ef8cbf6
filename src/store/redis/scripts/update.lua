-- Appends a merge patch to a session, whose expiry stays.
-- KEYS: 1 session. ARGV: 1 patch as JSON.
-- Returns the record's length in bytes, or 0 if there is no such session.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('APPEND', KEYS[1], '\n' .. ARGV[1])
