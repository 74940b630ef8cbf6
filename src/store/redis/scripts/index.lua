-- Begins every script that touches an owner's index: a sorted set of session ids by expiry in ms.

-- Gives the index an expiry; nil: it stays for ever.
local function expire_index(index, expiry)
  if expiry then
    redis.call('PEXPIREAT', index, expiry)
  else
    redis.call('PERSIST', index)
  end
end

-- The index expires with its longest session, or for ever stays if one never expires.
local function keep_index(index)
  local longest = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')
  if #longest == 0 then return end
  local expiry = tonumber(longest[2])
  expire_index(index, expiry ~= math.huge and string.format('%.0f', expiry) or nil)
end

-- Milliseconds of Redis' own clock.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- When a session of ttl_ms (0: never expires) ends, as text; nil for never.
local function expiry_of(now, ttl_ms)
  if ttl_ms == '0' then return nil end
  return string.format('%.0f', now + tonumber(ttl_ms))
end
