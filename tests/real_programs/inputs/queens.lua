local function queens(n, row, columns, up, down)
  if row > n then return 1 end
  local count = 0
  for column = 1, n do
    if not columns[column] and not up[row + column] and not down[row - column + n] then
      columns[column], up[row + column], down[row - column + n] = true, true, true
      count = count + queens(n, row + 1, columns, up, down)
      columns[column], up[row + column], down[row - column + n] = nil, nil, nil
    end
  end
  return count
end
for n = 4, 9 do print(n, queens(n, 1, {}, {}, {})) end

local words, seed = {}, 7
for _ = 1, 200000 do
  seed = (seed * 1103515245 + 12345) % 2147483648
  local word = string.format("w%03d", seed // 65536 % 97)
  words[word] = (words[word] or 0) + 1
end
local names = {}
for name in pairs(words) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do print(name, words[name]) end
print((("The quick brown fox "):rep(2000):gsub("(%w+) (%w+)", "%2 %1")):sub(1, 60))
