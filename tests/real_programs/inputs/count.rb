words = Hash.new(0)
File.foreach(ARGV[0]) { |line| line.scan(/\w+/) { |word| words[word.downcase] += 1 } }
words.sort_by { |word, count| [-count, word] }.each { |word, count| puts "#{word} #{count}" }
sieve = Array.new(200_000, true)
(2..447).each { |n| (n * n).step(sieve.size - 1, n) { |m| sieve[m] = false } if sieve[n] }
puts (2...sieve.size).count { |n| sieve[n] }
