-- Begins the scripts that make or lengthen the pointer to a session.

-- How many pointers one call drops. At most 32 calls share a script.
local dropped_at_once = 3

local over = string.format('(%.0f', now - longest_margin)

-- Makes or lengthens a pointer, and drops some whose time has passed. `kept_until` is empty for twice the session's duration
-- from now on. Never shortens a pointer. Returns until when it is kept.
local function keep_pointer(pointers, pointer, kept_until, ttl_ms)
  if kept_until == '' then
    local ms = ttl_ms == '0' and FOREVER or now + 2 * ttl_ms
    kept_until = string.format('%.0f', math.min(ms, FOREVER))
  elseif tonumber(kept_until) <= tonumber(now) then
    -- After a delay, or by another server's clock. The key of the pointers needs an expiry that has not passed.
    kept_until = string.format('%.0f', now + longest_margin)
  end
  -- Also the pointers that are kept forever have different scores, because a page has all that have the same.
  local score = kept_until == FOREVER and string.format('%.0f', FOREVER + now) or kept_until
  if redis.call('ZADD', pointers, 'GT', 'CH', score, pointer) == 0 then return kept_until end
  -- Most owners have one session, so there is no other pointer to look at.
  if redis.call('ZCARD', pointers) == 1 then
    redis.call('PEXPIREAT', pointers, index_expiry(score, now))
    return kept_until
  end
  local old = redis.call('ZRANGE', pointers, '-inf', over, 'BYSCORE', 'LIMIT', '0', dropped_at_once)
  if #old > 0 then redis.call('ZREM', pointers, unpack(old)) end
  keep_index(pointers, now)
  return kept_until
end
