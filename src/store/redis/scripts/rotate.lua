-- Moves a session to a new id. Everything else stays, to the millisecond.
-- KEYS: 1 session, 2 index, 3 session with the new id. ARGV: 1 id, 2 new id.
-- Returns 1, or 0 if there is no such session. If its token was not made for its owner, does nothing and returns a list:
-- the hash of the owner (empty: nobody), the nonce, and until when the pointer is kept. May run twice: if the session was moved already, it returns 1.
return each(3, 2, function(k, a)
  local session, index, moved = KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local id, new_id = ARGV[a + 1], ARGV[a + 2]
  if redis.call('EXISTS', session) == 0 then return redis.call('EXISTS', moved) end
  local expiry = redis.call('ZSCORE', index, id)
  local was_listed = expiry
  if not expiry then
    local line = first_line(session)
    local owner, nonce = pointer_in(line)
    if nonce then return { owner or '', nonce, string.match(line, UNTIL) or '' } end
    local left = redis.call('PTTL', session)
    expiry = left >= 0 and string.format('%.0f', clock() + left) or '+inf'
  end
  -- The new member comes first and the old one goes last. A session that is not in the index would escape killAll.
  redis.call('ZADD', index, expiry, new_id)
  local done, failure = pcall(redis.call, 'RENAME', session, moved)
  if not done then
    redis.pcall('ZREM', index, new_id)
    return error_of(failure)
  end
  redis.call('ZREM', index, id)
  if not was_listed then keep_index(index, clock()) end
  return 1
end)
