-- Reads sessions of an owner, those that end last first. One run is one step, because other clients wait during it.
-- KEYS: 1 index. The sessions' keys are made from the index's ids; they share its slot.
-- ARGV: 1 the beginning of the keys of the owner's sessions, 2 how many sessions, 3 how many bytes of one record. From
-- the second step on, the sessions that are left follow: id and expiry in ms, in turn.
-- Returns three lists: id, expiry and record in turn; id and expiry in turn of the sessions that are left; and of the first
-- step the owner's pointers to sessions on other routes, those that are kept longest first; `?` if they must be read apart.

-- A step ends after this many sessions, or with the record that brings it to this many bytes.
local step_sessions, step_bytes = 250, 1048576

local index = KEYS[1]
local listed, pointers = { unpack(ARGV, 4) }, {}
if #listed == 0 then
  -- Those whose time has passed come last, and have no record.
  listed = redis.call('ZRANGE', index, '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', '0', ARGV[2], 'WITHSCORES')
  local function pointers_from(score)
    return redis.pcall('ZRANGE', pointers_of(index), '+inf', score, 'BYSCORE', 'REV', 'LIMIT', '0', ARGV[2])
  end
  pointers = pointers_from('-inf')
  if pointers.err then
    -- While a slot moves, a server refuses to look for a key that it does not have.
    if string.find(pointers.err, '^WRONGTYPE') then return pointers end
    pointers = { '?' }
  elseif #pointers > 0 then
    pointers = pointers_from(clock())
  end
end
local read, left, bytes = {}, {}, 0
for n = 1, #listed, 2 do
  local id, expiry = listed[n], listed[n + 1]
  if bytes < step_bytes and #read < 3 * step_sessions then
    local record = redis.call('GETRANGE', ARGV[1] .. id, '0', ARGV[3])
    bytes = bytes + #record
    if record ~= '' then
      read[#read + 1], read[#read + 2], read[#read + 3] = id, expiry, record
    end
  else
    left[#left + 1], left[#left + 2] = id, expiry
  end
end
return { read, left, pointers }
