-- Lets a sliding session that was used live its duration from now on. It reads no more than the first line.
-- KEYS: 1 session, 2 index. ARGV: 1 id.
-- Returns how many ms the session has left, or 0 if there is no such session or it does not slide.

-- Clocks count whole milliseconds, so what is left may seem to be a little more.
local rounding_ms = 2

-- Lets a sliding session live its duration from now on, if less than nine tenths of it are left and it would end
-- sooner. `line`: its first line. Returns how many ms it has left; 0 if it does not slide.
local function slide(session, index, id, line)
  local duration = string.match(line, SLIDING)
  local left = duration and redis.call('PTTL', session) or 0
  if left <= 0 then return 0 end -- it does not slide, it never ends, or it has just ended
  if left > duration * 0.9 + rounding_ms then return left end
  local expiry = within_lifetime(expiry_after(duration), line)
  if expiry - now <= left then return left end
  set_expiry(session, index, id, expiry)
  return expiry - now
end

return each(2, 1, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  return slide(session, index, ARGV[a + 1], first_line(session))
end)
