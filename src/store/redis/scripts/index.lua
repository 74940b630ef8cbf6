-- Begins every script that touches an owner's index: a sorted set of session ids by expiry in ms.

-- The index expires with its longest session, or for ever stays if one never expires.
local function keep_index(index)
  local expiry = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
  if expiry == 'inf' then
    redis.call('PERSIST', index)
  elseif expiry then
    redis.call('PEXPIREAT', index, string.format('%.0f', expiry))
  end
end
