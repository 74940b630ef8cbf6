-- Begins the scripts that make or lengthen the pointer to a session.

-- How many pointers one call drops. At most 32 calls share a script.
local dropped_at_once = 3

local time, forever = tonumber(now), tonumber(FOREVER)
local over = string.format('(%.0f', time - longest_margin)

-- The format of whole numbers. '%d' takes half as long as '%.0f', but a server of 32 bits cannot format a time with it.
local INTEGER = string.format('%d', forever) == FOREVER and '%d' or '%.0f'

-- Makes or lengthens a pointer, and drops some whose time has passed. `kept_until` is empty for twice the session's duration
-- from now on. Never shortens a pointer. Returns until when it is kept.
local function keep_pointer(pointers, pointer, kept_until, ttl_ms)
  local ends_at = tonumber(kept_until)
  if not ends_at then
    ends_at = ttl_ms == '0' and forever or math.min(time + 2 * ttl_ms, forever)
    kept_until = string.format(INTEGER, ends_at)
  elseif ends_at <= time then
    -- After a delay, or by another server's clock. The key of the pointers needs an expiry that has not passed.
    ends_at = time + longest_margin
    kept_until = string.format(INTEGER, ends_at)
  end
  local score = kept_until
  if kept_until == FOREVER then
    -- Also these pointers have different scores, because a page has all that have the same.
    ends_at = forever + time
    score = string.format(INTEGER, ends_at)
  end
  if redis.call('ZADD', pointers, 'GT', 'CH', score, pointer) == 0 then return kept_until end
  -- Most owners have one session, so there is no other pointer to look at.
  if redis.call('ZCARD', pointers) == 1 then
    local expiry = ends_at + math.min(ends_at - time, longest_margin) -- as index_expiry
    redis.call('PEXPIREAT', pointers, string.format(INTEGER, expiry))
    return kept_until
  end
  local old = redis.call('ZRANGE', pointers, '-inf', over, 'BYSCORE', 'LIMIT', '0', dropped_at_once)
  if #old > 0 then redis.call('ZREM', pointers, unpack(old)) end
  keep_index(pointers, now)
  return kept_until
end
