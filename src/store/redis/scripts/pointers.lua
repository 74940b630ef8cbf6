-- Reads some of an owner's pointers, those that are kept shortest first.
-- KEYS: 1 the owner's pointers. ARGV: 1 the score at which to begin.
-- Returns the score at which the next page begins (empty: this is the last page), and a list of pointers.
-- Meanwhile others drop pointers, so a page does not say how many to skip. It has all that are kept equally long.

-- How many pointers are read at once.
local read_at_once = 500

local pointers, from = KEYS[1], ARGV[1]
local read = redis.call(
  'ZRANGE', pointers, from, '+inf', 'BYSCORE', 'LIMIT', '0', read_at_once, 'WITHSCORES'
)
local page, last = {}, #read == 2 * read_at_once and read[#read] or nil
for n = 1, #read, 2 do
  if read[n + 1] ~= last then page[#page + 1] = read[n] end
end
if not last then return { '', page } end
for _, pointer in ipairs(redis.call('ZRANGE', pointers, last, last, 'BYSCORE')) do
  page[#page + 1] = pointer
end
return { '(' .. last, page }
