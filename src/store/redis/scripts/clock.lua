-- Begins the scripts that compute when a session expires.

-- The time by Redis' own clock, in milliseconds, as text.
local function clock()
  local time = redis.call('TIME')
  return time[1] .. string.format('%03d', time[2] / 1000)
end
