/* A native program, or a module, that does nothing. */
int main(void) { return 0; }
