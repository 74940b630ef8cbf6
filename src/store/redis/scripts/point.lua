-- Makes or lengthens the pointer to a session, and drops some whose time has passed.
-- KEYS: 1 the owner's pointers: a sorted set by the time until when they are kept. ARGV: 1 pointer, 2 until when it is kept
-- (empty: for twice the session's duration from now on), 3 duration in ms (0: the session never expires).
-- Returns until when it is kept. Never shortens a pointer.

-- How many pointers one call drops. At most 32 calls share a script.
local dropped_at_once = 3

local now = clock()
local over = string.format('(%.0f', now - longest_margin)
return each(1, 3, function(k, a)
  local pointers, kept_until = KEYS[k + 1], ARGV[a + 2]
  if kept_until == '' then
    local ms = ARGV[a + 3] == '0' and FOREVER or now + 2 * ARGV[a + 3]
    kept_until = string.format('%.0f', math.min(ms, FOREVER))
  elseif tonumber(kept_until) <= tonumber(now) then
    -- After a delay, or by another server's clock. The key of the pointers needs an expiry that has not passed.
    kept_until = string.format('%.0f', now + longest_margin)
  end
  local score = kept_until == FOREVER and '+inf' or kept_until
  if redis.call('ZADD', pointers, 'GT', 'CH', score, ARGV[a + 1]) == 0 then return kept_until end
  local old = redis.call('ZRANGE', pointers, '-inf', over, 'BYSCORE', 'LIMIT', '0', dropped_at_once)
  if #old > 0 then redis.call('ZREM', pointers, unpack(old)) end
  keep_index(pointers, now)
  return kept_until
end)
