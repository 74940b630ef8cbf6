-- Begins the scripts that find an owner's pointers by the owner's index. Both lie in one slot.

-- The key of the owner's pointers: that of the index, which ends in `:o:` and 16 characters, with a `p` for the `o`.
local function pointers_of(index)
  return string.sub(index, 1, -19) .. 'p' .. string.sub(index, -17)
end
