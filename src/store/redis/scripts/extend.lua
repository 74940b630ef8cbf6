-- Lets a sliding session that was used live its duration from now on, if less than nine tenths of it are left and it
-- would end sooner. It reads no more than the first line.
-- KEYS: 1 session, 2 index. ARGV: 1 id, 2 its sliding duration in ms.
-- Returns how many ms the session has left, or 0 if there is no such session or it never ends.

-- Clocks count whole milliseconds, so what is left may seem to be a little more.
local rounding_ms = 2

return each(2, 2, function(k, a)
  local session, index, duration = KEYS[k + 1], KEYS[k + 2], ARGV[a + 2]
  local left = redis.call('PTTL', session)
  if left <= 0 then return 0 end
  if left > duration * 0.9 + rounding_ms then return left end
  local expiry = within_lifetime(expiry_after(duration), first_line(session))
  if expiry - now <= left then return left end
  set_expiry(session, index, ARGV[a + 1], expiry)
  return expiry - now
end)
