def queens(n):
    def place(row, columns, up, down):
        if row == n:
            return 1
        count = 0
        for column in range(n):
            if column not in columns and row + column not in up and row - column not in down:
                count += place(
                    row + 1, columns | {column}, up | {row + column}, down | {row - column}
                )
        return count

    return place(0, frozenset(), frozenset(), frozenset())


for n in range(4, 8):
    print(n, queens(n))
print(sorted({str(number): number * number for number in range(20)}.items()))
