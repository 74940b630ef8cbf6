-- Appends a merge patch to a session, whose expiry stays.
-- KEYS: 1 session. ARGV: 1 patch as JSON, 2 how many bytes the record may have.
-- Returns 0 if there is no such session, 1 if the patch was appended, or 2 if it was appended and the record should
-- be
-- folded. Returns 3 if the record is full and nothing was done.

-- A record is folded only if it has more bytes than this.
local fold_from = 4096

-- How many bytes the data had when the record was last written whole; 0 if they were few.
local function size_of(session)
  return tonumber(string.match(redis.call('GETRANGE', session, 0, 199), '^{[^\n]*"size":(%d+)')) or 0
end

return each(1, 2, function(k, a)
  local session, patch = KEYS[k + 1], ARGV[a + 1]
  local length = redis.call('STRLEN', session)
  if length == 0 then
    if redis.call('EXISTS', session) == 0 then return 0 end
    return redis.error_reply('WRONGTYPE the record is empty')
  end
  if length + #patch >= tonumber(ARGV[a + 2]) then return 3 end
  length = redis.call('APPEND', session, '\n' .. patch)
  return length > fold_from and length > 2 * size_of(session) and 2 or 1
end)
