-- Stores a session whose token was not made for its owner.
-- KEYS: 1 session, 2 only behind pointer.lua: the owner's pointers. ARGV: 1 mark, 2 nonce, 3 hash of its owner (empty:
-- nobody), 4 until when its pointer is kept, 5 ttl_ms (0: none), 6 when that ends at the latest (empty: no matter when),
-- 7 lifetime_ms (0: none), 8 whether it replaces another session and 9 whether it is sent again (0 or 1), 10 owner and 11 data
-- as JSON, 12 only behind pointer.lua: the pointer, which it makes.
-- Returns a list: 1, or 0 if there is a session that it does not replace; then the hash of the owner and the nonce of the
-- session that it has replaced, if that has a pointer, or its own if it stores nothing. If it is sent again, it finds its own
-- nonce, or returns -1: a create must begin with another nonce.

-- When the session expires: after ttl_ms, but not after this time.
local function expiry_before(ttl_ms, not_after)
  local is_sooner = not_after ~= '' and (ttl_ms == '0' or tonumber(not_after) < now + ttl_ms)
  return is_sooner and not_after or expiry_after(ttl_ms)
end

-- Stores the record. Returns false if it must not replace another one, and there is one.
local function set(session, record, expiry, replaces)
  if not expiry then
    if replaces then return redis.call('SET', session, record) end
    return redis.call('SET', session, record, 'NX')
  end
  if replaces then return redis.call('SET', session, record, 'PXAT', expiry) end
  return redis.call('SET', session, record, 'PXAT', expiry, 'NX')
end

return each(keep_pointer and 2 or 1, keep_pointer and 12 or 11, function(k, a)
  local session, nonce, owner, data = KEYS[k + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 11]
  local replaces, is_again = ARGV[a + 8] == '1', ARGV[a + 9] == '1'
  local nothing = owner == '' and { 0 } or { 0, owner, nonce }
  local old_owner, old_nonce, is_there
  -- Mostly there is nothing yet. If it replaces nothing, SET finds that out by itself.
  if replaces or is_again then
    old_owner, old_nonce, is_there = look(session)
    if old_nonce == nonce then return { 1 } end
    if is_there and not replaces then return nothing end
    -- Another call has ended it meanwhile, and drops its pointer, so that it must not come back with the same one.
    if is_again then return -1 end
  end

  local has_pointer = keep_pointer and owner ~= ''
  local kept_until = ARGV[a + 4]
  if has_pointer then kept_until = keep_pointer(KEYS[k + 2], ARGV[a + 12], '', ARGV[a + 5]) end
  local record = foreign_record(ARGV[a + 1], nonce, owner, kept_until, ARGV[a + 7], ARGV[a + 10], data)
  if set(session, record, expiry_before(ARGV[a + 5], ARGV[a + 6]), replaces) then
    return { 1, old_owner, old_nonce }
  end
  local _, other_nonce = look(session)
  if other_nonce == nonce then return { 1 } end
  if has_pointer then redis.call('ZREM', KEYS[k + 2], ARGV[a + 12]) end
  return nothing
end)
