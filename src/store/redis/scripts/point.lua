-- Makes or lengthens the pointer to a session, and drops some whose time has passed.
-- KEYS: 1 the owner's pointers: a sorted set by the time until when they are kept. ARGV: 1 pointer, 2 until when it is kept
-- (empty: for twice the session's duration from now on), 3 duration in ms (0: the session never expires).
-- Returns until when it is kept. Never shortens a pointer.

-- How many pointers are dropped at once.
local dropped_at_once = 100

local pointers, now, kept_until = KEYS[1], clock(), ARGV[2]
if kept_until == '' then
  local ms = ARGV[3] == '0' and FOREVER or now + 2 * ARGV[3]
  kept_until = string.format('%.0f', math.min(ms, FOREVER))
elseif tonumber(kept_until) <= tonumber(now) then
  -- After a delay, or by another server's clock. The key of the pointers needs an expiry that has not passed.
  kept_until = string.format('%.0f', now + longest_margin)
end
redis.call('ZADD', pointers, 'GT', kept_until == FOREVER and '+inf' or kept_until, ARGV[1])
local over = string.format('(%.0f', now - longest_margin)
local old = redis.call('ZRANGE', pointers, '-inf', over, 'BYSCORE', 'LIMIT', '0', dropped_at_once)
if #old > 0 then redis.call('ZREM', pointers, unpack(old)) end
keep_index(pointers, now)
return kept_until
