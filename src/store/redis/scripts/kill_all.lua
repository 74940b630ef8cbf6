-- Removes an owner's sessions, up to 100 at a time, for others wait meanwhile.
-- KEYS: 1 index. The sessions' keys are made from the index's ids; they share its slot.
-- ARGV: 1 what session keys begin with, 2 owner as JSON.
-- Returns how many sessions were removed, and 1 if there may be more, else 0.
local limit = 100

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

-- Removes what is the owner's among those in a range of ranks. Returns how many sessions were removed,
-- how many members there were, and how many of them stay.
local function remove(first, last)
  local ids = redis.call('ZRANGE', KEYS[1], first, last)
  local records, removed = {}, {}
  for _, id in ipairs(ids) do
    local record = ARGV[1] .. id
    if string.sub(id, 1, 1) ~= '@' and not is_anothers(record, ARGV[2]) then
      records[#records + 1] = record
      removed[#removed + 1] = id
    end
  end
  if #ids == 0 or #removed == 0 then return 0, #ids, #ids end
  local killed = redis.call('DEL', unpack(records))
  redis.call('ZREM', KEYS[1], unpack(removed))
  return killed, #ids, #ids - #removed
end

local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'zset' and kind ~= 'none' then
  redis.call('DEL', KEYS[1])
  return redis.error_reply('WRONGTYPE the index was a ' .. kind .. ' and is removed')
end

local total, stay = 0, 0
local listed = kind == 'zset' and redis.call('ZCARD', KEYS[1]) or 0
local seen
repeat
  local killed, others
  killed, seen, others = remove(stay, stay + limit - 1)
  total = total + killed
  stay = stay + others
  listed = listed - (seen - others)
-- Where another's stay it must all be done now: by the next time, ranks may have moved.
until stay == 0 or seen < limit
-- What ended with its last member is not asked for: see kill.
if listed == 0 then return { total, 0 } end
keep_index(KEYS[1])
return { total, (stay == 0 and seen == limit) and 1 or 0 }
