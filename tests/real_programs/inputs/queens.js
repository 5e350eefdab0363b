function queens(n, row = 0, columns = 0, up = 0, down = 0) {
  if (row === n) return 1;
  let count = 0;
  for (let column = 0; column < n; column++) {
    const c = 1 << column, u = 1 << (row + column), d = 1 << (row - column + n);
    if (columns & c || up & u || down & d) continue;
    count += queens(n, row + 1, columns | c, up | u, down | d);
  }
  return count;
}
const print_ = typeof print === "undefined" ? console.log : print;
for (let n = 4; n <= 9; n++) print_(n + " " + queens(n));
const words = {};
let seed = 7;
for (let i = 0; i < 60000; i++) {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  const word = "w" + (seed % 97);
  words[word] = (words[word] || 0) + 1;
}
print_(JSON.stringify(Object.entries(words).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 12)));
print_("The quick brown fox".replace(/(\w+) (\w+)/g, "$2 $1"));
