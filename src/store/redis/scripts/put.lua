-- Stores a session whose token was not made for its owner.
-- KEYS: 1 session, 2 only behind pointer.lua: the owner's pointers. ARGV: 1 mark, 2 nonce, 3 hash of its owner (empty:
-- nobody), 4 until when its pointer is kept, 5 ttl_ms (0: none), 6 when that ends at the latest (empty: no matter when),
-- 7 lifetime_ms (0: none), 8 whether it replaces another session (0 or 1), and 2 more if it is sent again, 9 owner and 10 data
-- as JSON, 11 only behind pointer.lua: the pointer, which it makes.
-- Returns a list: 1, or 0 if there is a session that it does not replace; then the hash of the owner and the nonce of the
-- session that it has replaced, if that has a pointer, or its own if it stores nothing. If it is sent again, it finds its own
-- nonce, or returns -1: a create must begin with another nonce.

-- If the data has at least this many bytes, the record says how many, as create.lua does.
local size_from = 2048

return each(keep_pointer and 2 or 1, keep_pointer and 11 or 10, function(k, a)
  local session, nonce, owner, data = KEYS[k + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 10]
  -- Mostly there is nothing yet, so one command must do. An empty value is no session.
  local begin = redis.call('GETRANGE', session, '0', '199')
  local old_owner, old_nonce = pointer_in(string.match(begin, '^{[^\n]*}') or '')
  if old_nonce == nonce then return { 1 } end
  if (ARGV[a + 8] == '0' or ARGV[a + 8] == '2') and begin ~= '' then
    return owner == '' and { 0 } or { 0, owner, nonce }
  end

  -- Another call has ended it meanwhile, and drops its pointer, so that it must not come back with the same one.
  if ARGV[a + 8] == '2' or ARGV[a + 8] == '3' then return -1 end

  local line = '{"createdAt":' .. now .. ',"mark":"' .. ARGV[a + 1] .. '","nonce":"' .. nonce .. '"'
  if owner ~= '' then
    local kept_until = ARGV[a + 4]
    if keep_pointer then kept_until = keep_pointer(KEYS[k + 2], ARGV[a + 11], '', ARGV[a + 5]) end
    line = line .. ',"owner":"' .. owner .. '","until":' .. kept_until
  end
  if ARGV[a + 7] ~= '0' then line = line .. string.format(',"endsAt":%.0f', now + ARGV[a + 7]) end
  if #data >= size_from then line = line .. ',"size":' .. #data end
  local record = line .. '}\n' .. ARGV[a + 9] .. '\n' .. data
  local expiry, not_after = expiry_after(ARGV[a + 5]), tonumber(ARGV[a + 6])
  if not_after and not_after < tonumber(expiry or FOREVER) then expiry = ARGV[a + 6] end
  if expiry then
    redis.call('SET', session, record, 'PXAT', expiry)
  else
    redis.call('SET', session, record)
  end
  return { 1, old_owner, old_nonce }
end)
