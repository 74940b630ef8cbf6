-- Begins the scripts that say when a session ends. ARGV: 2 ttl_ms (0: never expires).

-- Milliseconds of Redis' own clock, and of the session's end (nil: never), as text.
local time = redis.call('TIME')
local now = time[1] .. string.format('%03d', time[2] / 1000)
local expiry = ARGV[2] ~= '0' and string.format('%.0f', now + ARGV[2]) or nil
