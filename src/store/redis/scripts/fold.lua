-- Replaces a record by its folded form and keeps what was appended since it was read.
-- KEYS: 1 session. ARGV: 1 its first line as it was read, 2 how many bytes were read, 3 the folded form.
-- Returns 1, or 0 if the first line has changed: another client has folded it, or the session is gone.
-- The first line counts how often a record was folded; in between, a record only grows.
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1]) ~= ARGV[1] .. '\n' then return 0 end
local appended = redis.call('GETRANGE', KEYS[1], ARGV[2], -1)
redis.call('SET', KEYS[1], ARGV[3] .. appended, 'KEEPTTL')
return 1
