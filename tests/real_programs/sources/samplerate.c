/* Takes the bytes of a file for sound, and prints it at another rate. */
#include <samplerate.h>
#include <stdio.h>

enum { FRAMES = 200000 };

int main(int argc, char **argv) {
    static unsigned char bytes[FRAMES];
    static float in[FRAMES], out[2 * FRAMES];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fread(bytes, 1, sizeof bytes, file) != sizeof bytes)
        return 2;
    for (int i = 0; i < FRAMES; i++)
        in[i] = (float)(bytes[i] - 96) / 64;
    SRC_DATA data = {.data_in = in, .data_out = out, .src_ratio = 48000.0 / 44100};
    data.input_frames = FRAMES;
    data.output_frames = 2 * FRAMES;
    if (src_simple(&data, SRC_SINC_MEDIUM_QUALITY, 1) != 0)
        return 1;
    size_t count = (size_t)data.output_frames_gen;
    return fwrite(out, sizeof *out, count, stdout) == count ? 0 : 1;
}
