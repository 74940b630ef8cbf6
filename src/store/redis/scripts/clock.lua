-- Begins the scripts that say when a session ends.

-- Milliseconds of Redis' own clock, as text.
local function clock()
  local time = redis.call('TIME')
  return time[1] .. string.format('%03d', time[2] / 1000)
end
