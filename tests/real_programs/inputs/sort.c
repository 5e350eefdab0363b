typedef unsigned char byte;
extern void put(byte);
static byte table[64];
static void sort(byte *from, byte *to) {
    if (to - from < 2)
        return;
    byte pivot = from[(to - from) / 2], *low = from, *high = to - 1;
    while (low <= high) {
        while (*low < pivot)
            low++;
        while (*high > pivot)
            high--;
        if (low <= high) {
            byte kept = *low;
            *low++ = *high;
            *high-- = kept;
        }
    }
    sort(from, high + 1);
    sort(low, to);
}
int main(void) {
    unsigned long seed = 1;
    for (byte i = 0; i < sizeof table; i++) {
        seed = seed * 1103515245 + 12345;
        table[i] = (byte)(seed >> 16);
    }
    sort(table, table + sizeof table);
    for (byte i = 0; i < sizeof table; i++)
        put(table[i]);
    return 0;
}
