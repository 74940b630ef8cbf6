-- Makes or lengthens the pointer to a session, and drops some whose time has passed.
-- KEYS: 1 the owner's pointers: a sorted set by the time until when they are kept. ARGV: 1 pointer, 2 until when it is kept
-- (empty: for twice the session's duration from now on), 3 duration in ms (0: the session never expires).
-- Returns until when it is kept. Never shortens a pointer.
return each(1, 3, function(k, a)
  return keep_pointer(KEYS[k + 1], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3])
end)
