-- Begins the scripts that set when a session expires.

local now = clock()

-- When a session with this ttl_ms expires, as text; nil if it never expires (ttl_ms 0). Formatting the number is
-- slow, and calls that share a script mostly have the same ttl_ms, so the last result is kept.
local last_ttl, last_expiry = '0', nil
local function expiry_after(ttl_ms)
  if ttl_ms ~= last_ttl then
    last_ttl = ttl_ms
    last_expiry = ttl_ms ~= '0' and string.format('%.0f', now + ttl_ms) or nil
  end
  return last_expiry
end
