// How many ways there are to place eight queens, and a sieve.
class Board {
  construct new(size) {
    _size = size
    _columns = List.filled(size, false)
    _up = List.filled(2 * size, false)
    _down = List.filled(2 * size, false)
  }
  count(row) {
    if (row == _size) return 1
    var found = 0
    for (column in 0..._size) {
      var up = row + column
      var down = row - column + _size
      if (!_columns[column] && !_up[up] && !_down[down]) {
        _columns[column] = _up[up] = _down[down] = true
        found = found + count(row + 1)
        _columns[column] = _up[up] = _down[down] = false
      }
    }
    return found
  }
}
for (size in 1..9) System.print("%(size): %(Board.new(size).count(0))")
var sieve = List.filled(100000, true)
var primes = 0
for (number in 2...sieve.count) {
  if (sieve[number]) {
    primes = primes + 1
    var at = number * number
    while (at < sieve.count) {
      sieve[at] = false
      at = at + number
    }
  }
}
System.print(primes)
var words = {}
for (number in 0...2000) words["w%(number * 7919 % 613)"] = number
System.print(words.count)
