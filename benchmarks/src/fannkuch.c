/* fannkuch N: the most flips of a prefix that any permutation of N numbers needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 12

static int flips_of(const int *permutation, int count) {
    int work[MOST];
    int flips = 0;
    memcpy(work, permutation, (size_t)count * sizeof(*work));
    for (int first = work[0]; first != 0; first = work[0]) {
        for (int low = 0, high = first; low < high; low++, high--) {
            int swapped = work[low];
            work[low] = work[high];
            work[high] = swapped;
        }
        flips++;
    }
    return flips;
}

/* The next permutation: rotate the shortest prefix that has not come round. False: that was all. */
static int next(int *permutation, int *rotations, int count) {
    for (int length = 2; length <= count; length++) {
        int first = permutation[0];
        memmove(permutation, permutation + 1, (size_t)(length - 1) * sizeof(*permutation));
        permutation[length - 1] = first;
        if (++rotations[length - 1] < length) {
            return 1;
        }
        rotations[length - 1] = 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 7;
    if (count < 2 || count > MOST) {
        return 2;
    }
    int permutation[MOST];
    int rotations[MOST] = {0};
    for (int i = 0; i < count; i++) {
        permutation[i] = i;
    }
    int most = 0;
    long checksum = 0;
    long index = 0;
    do {
        int flips = flips_of(permutation, count);
        most = flips > most ? flips : most;
        checksum += index++ % 2 ? -flips : flips;
    } while (next(permutation, rotations, count));
    printf("%ld\n%d\n", checksum, most);
    return 0;
}
