use strict; use warnings;
my (%words, $lines);
open my $in, '<', $ARGV[0] or die "$ARGV[0]: $!";
while (<$in>) { $lines++; $words{lc $1}++ while /(\w+)/g; }
print "$lines lines\n";
print "$_ $words{$_}\n" for sort { $words{$b} <=> $words{$a} || $a cmp $b } keys %words;
my @sieve = (1) x 200_000;
for my $n (2 .. 447) { next unless $sieve[$n]; for (my $m = $n * $n; $m < @sieve; $m += $n) { $sieve[$m] = 0 } }
print scalar(grep { $sieve[$_] } 2 .. $#sieve), "\n";
