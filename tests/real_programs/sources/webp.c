/* Compresses the bytes of a file, as the pixels of a picture, to standard output. */
#include <stdio.h>
#include <webp/encode.h>

enum { WIDTH = 640, HEIGHT = 480 };

int main(int argc, char **argv) {
    static uint8_t pixels[WIDTH * HEIGHT * 3];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fread(pixels, 1, sizeof pixels, file) != sizeof pixels)
        return 2;
    uint8_t *picture;
    size_t size = WebPEncodeRGB(pixels, WIDTH, HEIGHT, WIDTH * 3, 80, &picture);
    return size && fwrite(picture, 1, size, stdout) == size ? 0 : 1;
}
