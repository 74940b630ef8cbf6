-- Moves a session to the id of its new token. Everything else stays.
-- KEYS: 1 session, 2 session with the new id. ARGV: 1 new mark, 2 nonce, 3 until when its pointer is kept (empty: it has
-- none).
-- Returns 1, or 0 if there is no session with this nonce, or its pointer was lengthened: then the pointer to the new id must
-- be, too. May run twice: it finds the session that it has moved.
local session, moved = KEYS[1], KEYS[2]
local line = first_line(session)
if string.match(line, NONCE) ~= ARGV[2] or (string.match(line, UNTIL) or '') ~= ARGV[3] then
  return string.match(first_line(moved), NONCE) == ARGV[2] and 1 or 0
end
redis.call('RENAME', session, moved)
overwrite(moved, line, 'mark', ARGV[1])
return 1
