template <typename T, int N> struct Heap {
    T items[N];
    int size = 0;
    void push(T item) {
        int at = size++;
        while (at > 0 && items[(at - 1) / 2] > item) { items[at] = items[(at - 1) / 2]; at = (at - 1) / 2; }
        items[at] = item;
    }
    T pop() {
        T top = items[0], last = items[--size];
        int at = 0, child;
        while ((child = 2 * at + 1) < size) {
            if (child + 1 < size && items[child + 1] < items[child]) child++;
            if (!(items[child] < last)) break;
            items[at] = items[child];
            at = child;
        }
        items[at] = last;
        return top;
    }
};
extern void put(unsigned);
int main() {
    Heap<unsigned, 64> heap;
    Heap<unsigned char, 16> small;
    for (unsigned i = 0; i < 64; i++) heap.push(i * 7919u);
    for (unsigned char i = 0; i < 16; i++) small.push(i ^ 9);
    while (heap.size) put(heap.pop());
    while (small.size) put(small.pop());
}
