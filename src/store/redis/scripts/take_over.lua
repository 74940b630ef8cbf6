-- Takes over a session of another system: stores it, makes its owner's pointer, and deletes the key of the other system.
-- KEYS: 1 session, 2 the owner's pointers, 3 the key of the other system. ARGV: 1 pointer, 2 hash of its owner (empty:
-- nobody), 3 lifetime_ms (0: none), 4 whether it is sent again (0 or 1), 5 owner and 6 data as JSON.
-- Returns 1, or 0 if it has done nothing: the key of the other system does not hold this data, or does not expire; the token
-- opens a session; or Redis is older than 7.0, and cannot tell when a key expires.

-- A pointer has the session's public id in 28 characters, of which the first 6 are the mark, and then the nonce.
local mark_length, id_length = 6, 28

return each(3, 6, function(k, a)
  local session, pointers, old = KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local pointer, owner, lifetime_ms, data = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 6]
  local nonce = string.sub(pointer, id_length + 1)
  if ARGV[a + 4] == '1' then
    local _, stored_nonce = look(session)
    if stored_nonce == nonce then return 1 end
  end
  local expiry = redis.pcall('PEXPIRETIME', old)
  if type(expiry) ~= 'number' or expiry <= time or redis.pcall('GET', old) ~= data then return 0 end
  if lifetime_ms ~= '0' then expiry = math.min(expiry, time + lifetime_ms) end

  local kept_until = owner ~= '' and keep_pointer(pointers, pointer, '', expiry - time)
  local mark = string.sub(pointer, 1, mark_length)
  local record = foreign_record(mark, nonce, owner, kept_until, lifetime_ms, ARGV[a + 5], data)
  if redis.call('SET', session, record, 'PXAT', string.format(INTEGER, expiry), 'NX') then
    redis.call('DEL', old)
    return 1
  end
  if owner ~= '' then redis.call('ZREM', pointers, pointer) end
  return 0
end)
