/* mandelbrot SIZE: how many points of a SIZE × SIZE grid don't escape within 50 steps. */
#include <stdio.h>
#include <stdlib.h>

static int stays(double real, double imaginary) {
    double x = 0;
    double y = 0;
    for (int i = 0; i < 50; i++) {
        double square_x = x * x;
        double square_y = y * y;
        if (square_x + square_y > 4) {
            return 0;
        }
        y = 2 * x * y + imaginary;
        x = square_x - square_y + real;
    }
    return 1;
}

int main(int argc, char **argv) {
    int size = argc > 1 ? atoi(argv[1]) : 200;
    long count = 0;
    for (int row = 0; row < size; row++) {
        for (int column = 0; column < size; column++) {
            count += stays(2.0 * column / size - 1.5, 2.0 * row / size - 1);
        }
    }
    printf("%ld\n", count);
    return 0;
}
