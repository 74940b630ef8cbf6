-- Gives a session a new time to live, at most to the end of its lifetime. Restores its index if that was lost.
-- KEYS: 1 session, 2 index. ARGV: 1 id, 2 ttl_ms (0: never expires).
-- Returns 1, or 0 if there is no such session. Returns a list if a pointer must be lengthened first: see foreign.lua.
return each(2, 2, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  local expiry, line = expiry_after(ARGV[a + 2]), first_line(session)
  if line ~= '}' then
    if string.match(line, NONCE) then return refresh_foreign(session, line, ARGV[a + 2]) end
    expiry = within_lifetime(expiry, line)
  end
  return set_expiry(session, index, ARGV[a + 1], expiry)
end)
