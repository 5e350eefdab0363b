local square(n) = n * n;
local collatz(n, steps=0) =
  if n == 1 then steps else collatz(if n % 2 == 0 then n / 2 else 3 * n + 1, steps + 1) tailstrict;
{
  squares: [square(n) for n in std.range(1, 200)],
  collatz: { [std.toString(n)]: collatz(n) for n in std.range(1, 300) },
  text: std.join(', ', ['%05d' % n for n in std.range(0, 100)]),
  sorted: std.sort([(n * 7919) % 1009 for n in std.range(0, 500)]),
}
