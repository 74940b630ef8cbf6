-- Removes an owner's sessions, 1000 at a time.
-- KEYS: 1 index. The sessions' keys are made from the index's ids; they share its slot.
-- ARGV: 1 what session keys begin with, 2 owner as JSON, 3… ids left over from the call before.
-- Returns how many sessions were removed, then the ids that are left over.
local limit = 1000

-- Two owners may share a route, so an index: another's record is left alone, all else goes. It
-- begins with its owner, a JSON string (here without its escapes), and a line that is an object.
local function is_anothers(record, owner)
  if redis.call('TYPE', record).ok ~= 'string' then return false end
  if redis.call('GETRANGE', record, 0, #owner) == owner .. '\n' then return false end
  local first = string.match(redis.call('GET', record), '^([^\n]*)\n{')
  local plain = first and string.gsub(first, '\\.', '') or ''
  -- The bytes from 192 on that are left out never occur in UTF-8 (RFC 3629, section 1).
  return string.find(plain, '^"[^"%z\1-\31\192\193\245-\255]*"$') ~= nil
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
