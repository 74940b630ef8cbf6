-- Begins the scripts that carry out one call, or several calls of the same operation.

-- Turns an error that pcall has caught into a reply. Redis raises errors as text. Redis 6 puts the position in the
-- script before the server's error if the server refused the command.
local function error_of(failure)
  if type(failure) ~= 'string' then return failure end
  local message = string.gsub(failure, '^@user_script: %d+: %-?', '')
  return redis.error_reply(string.find(message, '^%u+ ') and message or 'ERR ' .. message)
end

-- Runs `call` once for each group of keys and arguments. Returns its result, or for several calls a list of results.
-- An error in the list belongs to that call alone.
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
