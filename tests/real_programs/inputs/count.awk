{ for (i = 1; i <= NF; i++) { word = tolower($i); gsub(/[^a-z]/, "", word); if (word != "") count[word]++ } }
END {
  n = 0
  for (word in count) names[++n] = word
  for (i = 2; i <= n; i++) { v = names[i]; for (j = i - 1; j > 0 && names[j] > v; j--) names[j + 1] = names[j]; names[j + 1] = v }
  for (i = 1; i <= n; i++) print names[i], count[names[i]]
}
