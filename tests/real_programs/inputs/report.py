"""Read a JSON file, count and sort what is in it, hash it, and search primes."""

import collections
import hashlib
import json
import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
people = json.loads(text)
by_age = collections.defaultdict(list)
for person in people:
    by_age[person["age"] // 10].append(person["score"])
for decade, scores in sorted(by_age.items()):
    print(decade, len(scores), f"{sum(scores) / len(scores):.6f}", max(scores))
words = collections.Counter(re.findall(r"[a-z]+", text))
print(words.most_common(12))
print(hashlib.sha256(text.encode()).hexdigest())
sieve = bytearray([1]) * 300_000
for number in range(2, 548):
    if sieve[number]:
        sieve[number * number :: number] = bytes(len(sieve[number * number :: number]))
print(sum(sieve) - 2)
people.sort(key=lambda one: (one["name"], -one["score"], one["id"]))
with open("sorted.json", "w", encoding="utf-8") as file:
    json.dump(people, file)
