-- Begins every script that touches an owner's index: a sorted set of session ids by expiry in ms.

-- The index expires with its longest session, or for ever stays if one never expires.
local function keep_index(index)
  local expiry = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
  if expiry == 'inf' then
    redis.call('PERSIST', index)
  elseif expiry then
    -- What we write is whole; to see that is faster than to write it anew.
    local whole = string.find(expiry, '^%d+$') and expiry or string.format('%.0f', expiry)
    redis.call('PEXPIREAT', index, whole)
  end
end
