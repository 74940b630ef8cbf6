-- Removes an owner's sessions, 1000 at a time.
-- KEYS: 1 index. The sessions' keys are made from the index's ids; they share its slot.
-- ARGV: 1 what session keys begin with, 2 owner as JSON, 3… ids left over from the call before.
-- Returns how many sessions were removed, then the ids that are left over.
local limit = 1000

-- Two owners may share a route, so an index: another's record is left alone, all else goes.
local function is_anothers(record, owner)
  if redis.call('TYPE', record).ok ~= 'string' then return false end
  if redis.call('GETRANGE', record, 0, #owner) == owner .. '\n' then return false end
  return string.find(redis.call('GET', record), '^"[^\n]*"\n{') ~= nil
end

local ids = {}
if #ARGV > 2 then
  for i = 3, #ARGV do ids[#ids + 1] = ARGV[i] end
else
  local kind = redis.call('TYPE', KEYS[1]).ok
  if kind ~= 'zset' and kind ~= 'none' then
    redis.call('DEL', KEYS[1])
    return redis.error_reply('WRONGTYPE the index was a ' .. kind .. ' and is removed')
  end
  ids = redis.call('ZRANGE', KEYS[1], 0, -1)
end

local reply = { 0 }
for i, id in ipairs(ids) do
  local record = ARGV[1] .. id
  if i > limit then
    reply[#reply + 1] = id
  elseif string.sub(id, 1, 1) ~= '@' and not is_anothers(record, ARGV[2]) then
    reply[1] = reply[1] + redis.call('DEL', record)
    redis.call('ZREM', KEYS[1], id)
  end
end
keep_index(KEYS[1])
return reply
