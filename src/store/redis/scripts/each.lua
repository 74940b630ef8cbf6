-- Begins the scripts that carry out one call, or several of a kind.

-- Carries out a call for each so many keys and arguments. Returns what it returns; of several calls a
-- list, in which an error is that of its call alone.
local function each(keys, arguments, call)
  local count = #KEYS / keys
  if count == 1 then return call(0, 0) end
  local results = {}
  for n = 0, count - 1 do
    local done, result = pcall(call, n * keys, n * arguments)
    if not done and type(result) == 'string' then
      -- Redis 6 raises texts: the server's error, behind the place in the script if it is a refusal.
      local message = string.gsub(result, '^@user_script: %d+: %-?', '')
      result = redis.error_reply(string.find(message, '^%u+ ') and message or 'ERR ' .. message)
    end
    results[n + 1] = result
  end
  return results
end
