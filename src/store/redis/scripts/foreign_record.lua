-- Begins the scripts that store sessions whose token was not made for their owner.

-- If the data has at least this many bytes, the record says how many, as create.lua does.
local size_from = 2048

-- The record of a session. `owner` is the hash of its owner (empty: nobody), and `kept_until` says until when its pointer is kept.
local function foreign_record(mark, nonce, owner, kept_until, lifetime_ms, owner_json, data)
  local pointed, ends_at, size = '', '', ''
  if owner ~= '' then pointed = ',"owner":"' .. owner .. '","until":' .. kept_until end
  if lifetime_ms ~= '0' then ends_at = string.format(',"endsAt":%.0f', now + lifetime_ms) end
  if #data >= size_from then size = ',"size":' .. #data end
  -- In one expression, because Lua makes a string of each step.
  return '{"createdAt":' .. now .. ',"mark":"' .. mark .. '","nonce":"' .. nonce .. '"'
    .. pointed .. ends_at .. size .. '}\n' .. owner_json .. '\n' .. data
end

-- Reads the owner's hash and the nonce from the first line of the stored session. The third value says whether there is
-- one. An empty value is none.
local function look(session)
  local begin = redis.call('GETRANGE', session, '0', '199')
  local owner, nonce = pointer_in(string.match(begin, '^{[^\n]*}') or '')
  return owner, nonce, begin ~= ''
end
