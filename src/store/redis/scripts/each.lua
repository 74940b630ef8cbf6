-- Begins the scripts that carry out one call, or several of a kind.

-- What pcall has caught, as a reply. Redis raises texts: the server's error, which Redis 6 puts behind the place in the
-- script if it is a refusal.
local function error_of(failure)
  if type(failure) ~= 'string' then return failure end
  local message = string.gsub(failure, '^@user_script: %d+: %-?', '')
  return redis.error_reply(string.find(message, '^%u+ ') and message or 'ERR ' .. message)
end

-- Carries out a call for each so many keys and arguments. Returns what it returns; of several calls a
-- list, in which an error is that of its call alone.
local function each(keys, arguments, call)
  local count = #KEYS / keys
  if count == 1 then return call(0, 0) end
  local results = {}
  for n = 0, count - 1 do
    local done, result = pcall(call, n * keys, n * arguments)
    results[n + 1] = done and result or error_of(result)
  end
  return results
end
