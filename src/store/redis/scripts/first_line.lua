-- Begins the scripts that read the first line of a record.

local ENDS_AT, SIZE, SLIDING = '"endsAt":(%d+)', '"size":(%d+)', '"sliding":(%d+)'

-- The first line of a session's record, or '' if there is no such session. It has at most 200 bytes. Most records say
-- only when they were created, in 27 bytes, and nothing of that is needed: then it is '}'. The numbers are text, because
-- Redis formats a number as a float, which takes as long as the rest of the command.
local function first_line(session)
  if redis.call('GETRANGE', session, '26', '26') == '}' then return '}' end
  return string.match(redis.call('GETRANGE', session, '0', '199'), '^{[^\n]*}') or ''
end
