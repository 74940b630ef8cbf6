-- Appends a merge patch to a session. Its expiry stays; if the session slides, the caller extends it.
-- KEYS: 1 session. ARGV: 1 patch as JSON, 2 how many bytes the record may have.
-- Returns 0 if there is no such session, 1 if the patch was appended, or 2 if it was appended and the record should
-- be folded. Returns 3 if the record is full and nothing was done. Of a sliding session it returns a list: 1 or 2, and
-- its duration in ms.

-- A record is folded only if it has more bytes than this.
local fold_from = 1024

return each(1, 2, function(k, a)
  local session, patch = KEYS[k + 1], ARGV[a + 1]
  local length = redis.call('STRLEN', session)
  if length == 0 then
    if redis.call('EXISTS', session) == 0 then return 0 end
    return redis.error_reply('WRONGTYPE the record is empty')
  end
  if length + #patch >= tonumber(ARGV[a + 2]) then return 3 end
  length = redis.call('APPEND', session, '\n' .. patch)
  local line = first_line(session)
  -- `size`: how many bytes the data had when the record was last written whole; it is left out if they were few.
  local is_long = length > fold_from and length > 2 * (tonumber(string.match(line, SIZE)) or 0)
  local done, sliding = is_long and 2 or 1, string.match(line, SLIDING)
  return sliding and { done, tonumber(sliding) } or done
end)
