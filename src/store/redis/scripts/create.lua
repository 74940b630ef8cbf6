-- Stores a new session and lists it in its owner's index.
-- KEYS: 1 session, 2 index. ARGV: 1 id, 2 ttl_ms (0: never expires), 3 owner and 4 data as JSON, 5 only behind
-- limits.lua: its limits.
-- Returns 1. May run twice: it writes the same. If a command fails, nothing stays.

-- If the data has at least this many bytes, the record says how many: update.lua needs it.
local size_from = 2048

-- How many expired members one create removes. At most 32 calls share a script, so one run removes about as many
-- members as a step of kill_all.lua (100).
local pruned_at_once = 3

-- Removes expired members from the index, the earliest expiry first. If the server's clock is ahead, it takes a
-- session for expired too early. EXISTS then deletes that session for good, so no session is left that is not in the
-- index. While a slot moves, a server refuses to look for a key that it does not have. A later create will remove
-- that member.
local function prune(index, prefix)
  local ids = redis.call('ZRANGE', index, '-inf', '(' .. now, 'BYSCORE', 'LIMIT', '0', pruned_at_once)
  for _, id in ipairs(ids) do
    if redis.pcall('EXISTS', prefix .. id) == 0 then redis.call('ZREM', index, id) end
  end
end

local function store(session, index, id, expiry, record)
  -- The command that can fail comes first: it fails if there is no memory left, or if the index is not a sorted set.
  redis.call('ZADD', index, expiry or '+inf', id)
  if expiry then
    redis.call('SET', session, record, 'PXAT', expiry)
  else
    redis.call('SET', session, record)
  end
  -- Most owners have one session, so there is no other member to check.
  if expiry and redis.call('ZCARD', index) == 1 then
    redis.call('PEXPIREAT', index, index_expiry(expiry, now))
  else
    prune(index, string.sub(session, 1, #session - #id))
    keep_index(index, now)
  end
end

return each(2, read_limits and 5 or 4, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  local id, expiry, owner, data = ARGV[a + 1], expiry_after(ARGV[a + 2]), ARGV[a + 3], ARGV[a + 4]
  local about, most = '', 0
  if read_limits then about, most = read_limits(ARGV[a + 5]) end
  local size = #data >= size_from and ',"size":' .. #data or ''
  local record = '{"createdAt":' .. now .. about .. size .. '}\n' .. owner .. '\n' .. data
  local done, failure = pcall(store, session, index, id, expiry, record)
  if done and most > 0 then
    done, failure = pcall(keep_at_most, most, index, string.sub(session, 1, #session - #id), id)
  end
  if not done then
    redis.pcall('DEL', session)
    redis.pcall('ZREM', index, id)
    return error_of(failure)
  end
  return 1
end)
