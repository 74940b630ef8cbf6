-- Begins every script that touches an owner's index: a sorted set of session ids by expiry in ms.

-- The index outlives its last session by that session's remaining time, but at most by this many ms. Otherwise a
-- server's clock that is ahead for a while could expire the index before the sessions.
local longest_margin = 3600000

-- When the index expires if its last session expires at `expiry`, as text. Formatting the number is slow, and calls
-- that share a script mostly ask for the same one, so the last result is kept.
local last_asked, last_told
local function index_expiry(expiry, now)
  if expiry ~= last_asked then
    last_asked = expiry
    last_told = string.format('%.0f', expiry + math.min(expiry - now, longest_margin))
  end
  return last_told
end

-- Keeps the index for as long as its longest session needs it. The index never expires if a session never does.
local function keep_index(index, now)
  local expiry = redis.call('ZRANGE', index, '-1', '-1', 'WITHSCORES')[2]
  if expiry == 'inf' then
    redis.call('PERSIST', index)
  elseif expiry and tonumber(expiry) > tonumber(now) then
    redis.call('PEXPIREAT', index, index_expiry(expiry, now))
  end
end
