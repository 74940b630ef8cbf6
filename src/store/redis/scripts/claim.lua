-- Gives a session another owner, and appends a patch. Its creation, its expiry and its lifetime stay.
-- KEYS: 1 session. ARGV: 1 the owner that it must have and 2 the new one, as JSON, 3 the hash of the new one (empty:
-- nobody), 4 nonce, 5 until when the new pointer is kept, 6 patch as JSON (empty: none), 7 how many bytes of data and patches it may have.
-- Returns a list: 1, or 0 if there is no such session or it has another owner; then the hash of the old owner and the old
-- nonce, if that owner had a pointer. Returns -1 if there is no room for the patch. Returns a list, 2 and how many ms the
-- session has left (-1: it never expires), if it would outlive the new pointer. May run twice: it finds its own nonce.
local session, nonce = KEYS[1], ARGV[4]
local record = redis.call('GET', session)
local line, owner, data = string.match(record or '', '^({[^\n]*})\n([^\n]*)\n(.*)$')
if not line then return { 0 } end
local old_owner, old_nonce = pointer_in(line)
if old_nonce == nonce then return { 1 } end
if not old_nonce or owner ~= ARGV[1] then return { 0 } end
if ARGV[3] ~= '' and ARGV[5] ~= FOREVER then
  local left = redis.call('PTTL', session)
  if left == 0 then return { 0 } end -- it ends in this millisecond
  if left < 0 or clock() + left > tonumber(ARGV[5]) then return { 2, left } end
end
if ARGV[6] ~= '' then
  data = data .. '\n' .. ARGV[6]
  if #data > tonumber(ARGV[7]) then return -1 end
end

local fields = { ',"nonce":"[^"]*"', ',"owner":"[^"]*"', ',"until":%d+', '}$' }
for _, field in ipairs(fields) do line = string.gsub(line, field, '') end
line = line .. ',"nonce":"' .. nonce .. '"'
if ARGV[3] ~= '' then line = line .. ',"owner":"' .. ARGV[3] .. '","until":' .. ARGV[5] end
record = line .. '}\n' .. ARGV[2] .. '\n' .. data
redis.call('SET', session, record, 'KEEPTTL')
return { 1, old_owner, old_nonce }
