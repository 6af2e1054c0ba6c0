/* driver.c -- runs a fuzz target where there is no libFuzzer.
 *
 * Takes libFuzzer's arguments, of which it heeds -max_total_time and the
 * folders: it replays what lies in them, then mutations of it, until the time
 * is over.  It sees no coverage; a fault shows by a sanitizer's abort. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define MAX_SEEDS 1024
#define INPUT_SIZE 65536

struct seed {
    uint8_t *p;
    size_t n;
};

static struct seed seeds[MAX_SEEDS];
static unsigned nseeds;
static uint64_t state = 0x9e3779b97f4a7c15;

/* xorshift64: the same inputs in every run, as far as it comes. */
static uint64_t
next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The target gets memory of exactly n bytes, so that ASan sees a step over
 * either end. */
static void
try_input(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, p, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void
add_seed(const char *path)
{
    FILE *f = fopen(path, "rb");
    static uint8_t buf[INPUT_SIZE];
    struct seed *s = &seeds[nseeds];

    if (f == NULL)
        return;
    s->n = fread(buf, 1, sizeof buf, f);
    fclose(f);
    s->p = malloc(s->n + 1);
    if (s->p == NULL)
        return;
    memcpy(s->p, buf, s->n);
    nseeds++;
}

static void
add_folder(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    char path[4096];

    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL && nseeds < MAX_SEEDS) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        add_seed(path);
    }
    closedir(d);
}

/* One small change of buf[0..n); returns the new length. */
static size_t
mutate(uint8_t *buf, size_t n)
{
    static const char spice[] = "\r\n\t :;,=%/?\"\0\x7f\xff"
                                "09af";
    const struct seed *other = &seeds[next_random() % nseeds];
    size_t at = n ? next_random() % n : 0;
    size_t len = next_random() % 16;

    switch (next_random() % 6) {
    case 0:
        if (n)
            buf[at] ^= (uint8_t)(1u << next_random() % 8);
        return n;
    case 1:
        if (n)
            buf[at] = (uint8_t)spice[next_random() % (sizeof spice - 1)];
        return n;
    case 2: /* cut a piece out */
        if (len > n - at)
            len = n - at;
        memmove(buf + at, buf + at + len, n - at - len);
        return n - len;
    case 3: /* say a piece twice */
        if (len > n - at)
            len = n - at;
        if (n + len > INPUT_SIZE)
            return n;
        memmove(buf + at + len, buf + at, n - at);
        return n + len;
    case 4: /* go on as another does */
        len = other->n ? next_random() % other->n : 0;
        if (at + other->n - len > INPUT_SIZE)
            return n;
        memcpy(buf + at, other->p + len, other->n - len);
        return at + other->n - len;
    default:
        return at;
    }
}

int
main(int argc, char **argv)
{
    static uint8_t buf[INPUT_SIZE];
    double seconds = 5, end;
    unsigned long runs = 0;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-max_total_time=", 16) == 0)
            seconds = strtod(argv[i] + 16, NULL);
        else if (argv[i][0] != '-')
            add_folder(argv[i]);
    }
    if (nseeds == 0)
        seeds[nseeds++] = (struct seed){(uint8_t *)calloc(1, 1), 1};
    for (; runs < nseeds; runs++)
        try_input(seeds[runs].p, seeds[runs].n);
    for (end = now() + seconds; now() < end; runs++) {
        const struct seed *s = &seeds[next_random() % nseeds];
        size_t n = s->n;

        memcpy(buf, s->p, n);
        for (uint64_t k = 1 + next_random() % 8; k > 0; k--)
            n = mutate(buf, n);
        try_input(buf, n);
    }
    for (unsigned i = 0; i < nseeds; i++)
        free(seeds[i].p);
    printf("Done %lu runs\n", runs);
    return 0;
}
