-- Reads some of an owner's pointers, those that are kept shortest first.
-- KEYS: 1 the owner's pointers. ARGV: 1 the score at which to begin, 2 how many with this score were read before.
-- Returns how many pointers the owner has, the score and the number for the next page (empty: this is the last page), and
-- the pointers.

-- How many pointers are read at once.
local read_at_once = 500

local from, skipped = ARGV[1], tonumber(ARGV[2])
local read = redis.call(
  'ZRANGE', KEYS[1], from, '+inf', 'BYSCORE', 'LIMIT', ARGV[2], read_at_once, 'WITHSCORES'
)
local page, last = { tostring(redis.call('ZCARD', KEYS[1])), '', '' }, read[#read]
local ties = last == from and skipped or 0
for n = 1, #read, 2 do
  page[#page + 1] = read[n]
  if read[n + 1] == last then ties = ties + 1 end
end
if #read == 2 * read_at_once then page[2], page[3] = last, tostring(ties) end
return page
