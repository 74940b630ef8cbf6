-- Lets a sliding session that was used live its duration from now on. It reads no more than the first line.
-- KEYS: 1 session, 2 index. ARGV: 1 id.
-- Returns how many ms the session has left, or 0 if there is no such session or it does not slide.
return each(2, 1, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  return slide(session, index, ARGV[a + 1], first_line(session))
end)
