-- Begins the scripts that set when a session ends.

local now = clock()

-- The end of a session that has so long to live (ttl_ms, 0: it never expires; then, nil), as text. It takes
-- long to write, and calls that share a script mostly share it.
local last_ttl, last_expiry = '0', nil
local function expiry_after(ttl_ms)
  if ttl_ms ~= last_ttl then
    last_ttl = ttl_ms
    last_expiry = ttl_ms ~= '0' and string.format('%.0f', now + ttl_ms) or nil
  end
  return last_expiry
end
