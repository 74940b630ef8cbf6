-- Begins the scripts that know sessions whose token was not made for their owner. The first line of such a session says
-- how the id of its token begins (its mark), tells it from an earlier session (its nonce), and if somebody owns it, names
-- the owner's hash and until when the owner's pointer to it is kept.

local MARK, NONCE = '"mark":"([^"]*)"', '"nonce":"([^"]*)"'
local OWNER, UNTIL = '"owner":"([^"]*)"', '"until":(%d+)'

-- Until when the pointer to a session is kept that never expires. It has as many digits as other times.
local FOREVER = '9999999999999'

-- The hash of the owner, if there is one, and the nonce. Both are nil if the token was made for the owner.
local function pointer_in(line)
  return string.match(line, OWNER), string.match(line, NONCE)
end

-- Replaces a value of the first line by another one of the same length.
local function overwrite(session, line, name, value)
  local _, last = string.find(line, '"' .. name .. '":"?')
  redis.call('SETRANGE', session, tostring(last), value)
end

-- Gives a session a new time to live, at most to the end of its lifetime. If its pointer has just been lengthened, `nonce`
-- is that of the pointer, and `kept_until` says until when it is kept. Returns 1, or 0 if there is no such session. If the
-- pointer must be lengthened first, because it would be kept for less than half the time to live after the session's end,
-- does nothing and returns 0, the hash of the owner and the nonce. So is a pointer that is kept for ever: nothing else would
-- put it back if a failover lost it.
local function refresh_foreign(session, line, ttl_ms, nonce, kept_until)
  local expiry = within_lifetime(expiry_after(ttl_ms), line)
  local owner, own_nonce = pointer_in(line)
  if owner and own_nonce == nonce then
    overwrite(session, line, 'until', kept_until)
  elseif owner then
    kept_until = string.match(line, UNTIL)
    local is_sure = expiry and kept_until ~= FOREVER and kept_until - expiry >= ttl_ms / 2
    if not is_sure then return { 0, owner, own_nonce } end
  end
  if expiry then return redis.call('PEXPIREAT', session, expiry) end
  redis.call('PERSIST', session)
  return 1
end
