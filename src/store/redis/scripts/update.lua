-- Appends a merge patch to a session. Its expiry stays, unless it slides.
-- KEYS: 1 session, 2 index. ARGV: 1 id, 2 patch as JSON, 3 how many bytes the record may have.
-- Returns 0 if there is no such session, 1 if the patch was appended, or 2 if it was appended and the record should
-- be folded. Returns 3 if the record is full and nothing was done.

-- A record is folded only if it has more bytes than this.
local fold_from = 4096

return each(2, 3, function(k, a)
  local session, index = KEYS[k + 1], KEYS[k + 2]
  local id, patch = ARGV[a + 1], ARGV[a + 2]
  local length = redis.call('STRLEN', session)
  if length == 0 then
    if redis.call('EXISTS', session) == 0 then return 0 end
    return redis.error_reply('WRONGTYPE the record is empty')
  end
  if length + #patch >= tonumber(ARGV[a + 3]) then return 3 end
  local line = first_line(session)
  slide(session, index, id, line)
  length = redis.call('APPEND', session, '\n' .. patch)
  -- `size`: how many bytes the data had when the record was last written whole; it is left out if they were few.
  return length > fold_from and length > 2 * (tonumber(string.match(line, SIZE)) or 0) and 2 or 1
end)
