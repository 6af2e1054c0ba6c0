/* fuzz_toml.c -- any bytes as TOML.
 *
 * What is read has lines within the text, ordered members that are counted
 * right, and can be read again from a copy with the same result; what is not
 * read has a reason.  Nothing of the tree points into the text. */
#include <stdlib.h>

/* Its folder is not linked here; the reader itself needs no more than base. */
#include "../../src/serve/toml.c"
#include "../../src/serve/toml_value.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
require(bool fact)
{
    if (!fact)
        abort();
}

static uint64_t
walk(const struct rp_toml *t, unsigned lines, unsigned depth)
{
    uint64_t sum = t->type * UINT64_C(31) + t->line;
    unsigned n = 0;

    require(t->line >= 1 && t->line <= lines);
    require(depth <= 3 * RP_TOML_DEPTH);
    for (size_t i = 0; i < t->text.n; i++)
        sum = sum * 33 + (unsigned char)t->text.p[i];
    for (size_t i = 0; i < t->key.n; i++)
        sum = sum * 33 + (unsigned char)t->key.p[i];
    for (const struct rp_toml *m = t->first; m != NULL; m = m->next, n++)
        sum = sum * 37 + walk(m, lines, depth + 1);
    require(n == t->n && (n == 0) == (t->last == NULL));
    require(n == 0 || t->type == RP_TOML_ARRAY || t->type == RP_TOML_TABLE);
    return sum;
}

static uint64_t
read_copy(const uint8_t *data, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1);
    unsigned line = 0, lines = 1;
    const char *why = NULL;
    struct rp_arena a;
    uint64_t sum = 0;

    require(copy != NULL);
    memcpy(copy, data, n);
    for (size_t i = 0; i < n; i++)
        lines += data[i] == '\n';
    rp_arena_init(&a, 1 << 20);
    struct rp_toml *t = rp_toml_read(&a, (struct rp_str){copy, n}, &line, &why);
    free(copy);
    if (t != NULL)
        sum = walk(t, lines, 0);
    else
        require(why != NULL && line <= lines);
    rp_arena_fini(&a);
    return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    require(read_copy(data, n) == read_copy(data, n));
    return 0;
}
