-- Removes some of an owner's sessions, those with the earliest expiry first. One run is one step, because other
-- clients wait during it.
-- KEYS: 1 index. The sessions' keys are made from the index's ids; they share its slot.
-- ARGV: 1 the beginning of the keys of the owner's sessions, 2 the id of a session that stays (empty: none).
-- Returns how many sessions were removed; 1 if there are more, else 0; and then 1 if the owner may have pointers to
-- sessions on other routes, else 0.
-- Each step begins at the front of the index and removes the members that it reads, so no member can move behind it.

-- A step ends after this many sessions, or with the session that brings it to this many bytes.
local step_sessions, step_bytes = 100, 8388608

-- While a slot moves, a server refuses to look for a key that it does not have.
local function has_pointers() return redis.pcall('EXISTS', pointers_of(KEYS[1])) ~= 0 and 1 or 0 end

local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return { 0, 0, has_pointers() } end
if kind ~= 'zset' then
  redis.call('DEL', KEYS[1])
  return redis.error_reply('WRONGTYPE the index was a ' .. kind .. ' and is removed')
end

local excepted = ARGV[2]
local stays = excepted ~= '' and redis.call('ZSCORE', KEYS[1], excepted) and 1 or 0
local listed = redis.call('ZCARD', KEYS[1]) - stays
local ids = redis.call('ZRANGE', KEYS[1], 0, step_sessions - 1 + stays)
local removed, sessions, bytes = {}, {}, 0
for _, id in ipairs(ids) do
  if bytes >= step_bytes or #removed == step_sessions then break end
  if id ~= excepted then
    local session = ARGV[1] .. id
    removed[#removed + 1], sessions[#sessions + 1] = id, session
    local length = redis.pcall('STRLEN', session) -- what is no string is removed as well
    bytes = bytes + (type(length) == 'number' and length or 0)
  end
end
if #removed == 0 then return { 0, 0, has_pointers() } end
local killed = redis.call('DEL', unpack(sessions))
redis.call('ZREM', KEYS[1], unpack(removed))
-- Calculated, not asked: the index is gone with its last member, and while a slot moves, a server refuses to look for
-- a key that it does not have.
return { killed, listed > #removed and 1 or 0, has_pointers() }
