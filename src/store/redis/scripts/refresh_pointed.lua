-- Gives a session a new time to live after its pointer was lengthened.
-- KEYS: 1 session. ARGV: 1 ttl_ms (0: never expires), 2 the pointer's nonce, 3 until when the pointer is kept.
-- Returns 1, or 0 if there is no such session; 0 with the hash of the owner and the nonce if it has another pointer by now,
-- which must be lengthened first.
local line = first_line(KEYS[1])
if not string.match(line, NONCE) then return 0 end
return refresh_foreign(KEYS[1], line, ARGV[1], ARGV[2], ARGV[3])
