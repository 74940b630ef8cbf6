-- Begins every script that touches an owner's index: a sorted set of session ids by expiry in ms.

-- The index outlives its last session by as long as that has to live, this many ms at most: a server's clock that is
-- ahead for a while must not end the index before the sessions.
local longest_margin = 3600000

-- When an index expires whose last session does so at `expiry`, as text. To write a number takes long, and calls
-- that share a script mostly ask for the same one.
local last_asked, last_told
local function index_expiry(expiry, now)
  if expiry ~= last_asked then
    last_asked = expiry
    last_told = string.format('%.0f', expiry + math.min(expiry - now, longest_margin))
  end
  return last_told
end

-- Has the index live as long as its longest session needs; it never expires if one never does.
local function keep_index(index, now)
  local expiry = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
  if expiry == 'inf' then
    redis.call('PERSIST', index)
  elseif expiry and tonumber(expiry) > tonumber(now) then
    redis.call('PEXPIREAT', index, index_expiry(expiry, now))
  end
end
