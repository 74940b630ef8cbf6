-- Begins create.lua if the session's life is limited by more than its duration. The limits are three numbers: for how
-- many ms each use lets the session live, its lifetime in ms, and how many live sessions the owner may have (0: no limit).

-- One create ends at most this many sessions, or those up to this many bytes, as a step of kill_all.lua does. The
-- next create ends the rest.
local ended_at_once, ended_bytes = 100, 8388608

-- If several sessions end in the same ms, the older go first. If they are more than this, some are not compared.
local tied_at_most = 250

-- Ends sessions of the owner so that at most `most` live, the new one included. Those that would end soonest go first,
-- and never the new one.
local function keep_at_most(most, index, prefix, new_id)
  local excess = redis.call('ZCOUNT', index, now, '+inf') - most
  if excess <= 0 then return end
  local count = math.min(excess, ended_at_once)

  -- The members without the new one, each with its score if `ids` has scores.
  local function others(ids, step)
    local kept = {}
    for n = 1, #ids, step do
      if ids[n] ~= new_id then kept[#kept + 1] = { id = ids[n], expiry = ids[n + 1] } end
    end
    return kept
  end

  local function created_at(session)
    -- The number in `{"createdAt":1698765432123`.
    local digits = redis.pcall('GETRANGE', session, '13', '25')
    return type(digits) == 'string' and tonumber(digits) or 0
  end

  -- One more than needed, to see a tie, and the new one.
  local found = redis.call('ZRANGE', index, now, '+inf', 'BYSCORE', 'LIMIT', '0', count + 2, 'WITHSCORES')
  local ends = others(found, 2)
  local last = ends[count].expiry
  if ends[count + 1] and ends[count + 1].expiry == last then
    local first = 1
    while ends[first].expiry ~= last do first = first + 1 end
    local tied = others(redis.call('ZRANGE', index, last, last, 'BYSCORE', 'LIMIT', '0', tied_at_most), 1)
    for _, session in ipairs(tied) do session.created_at = created_at(prefix .. session.id) end
    table.sort(tied, function(one, other) return one.created_at < other.created_at end)
    for n = first, count do ends[n] = tied[n - first + 1] end
  end

  local ids, sessions, bytes = {}, {}, 0
  for n = 1, count do
    ids[n], sessions[n] = ends[n].id, prefix .. ends[n].id
    local length = redis.pcall('STRLEN', sessions[n]) -- what is no string is removed as well
    bytes = bytes + (type(length) == 'number' and length or 0)
    if bytes >= ended_bytes then break end
  end
  redis.call('DEL', unpack(sessions))
  redis.call('ZREM', index, unpack(ids))
end

-- Returns more fields for the first line, and how many live sessions the owner may have.
local function read_limits(limits)
  local sliding, lifetime, most = string.match(limits, '^(%d+) (%d+) (%d+)$')
  sliding = sliding ~= '0' and ',"sliding":' .. sliding or ''
  lifetime = lifetime ~= '0' and string.format(',"endsAt":%.0f', now + lifetime) or ''
  return sliding .. lifetime, tonumber(most)
end
