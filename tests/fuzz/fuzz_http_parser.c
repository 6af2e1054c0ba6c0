/* Any head: whole or in pieces, with memos or without, the same comes out.
 * The first bytes choose the limits and the cuts. */
#include <stdint.h>

#include "../unit/http/heads.h"

static struct rp_field fields[RP_MAX_FIELDS];

static void
parse(struct rp_parser *ps, const struct rp_limits *lim, const uint8_t *p,
      size_t n, struct outcome *o)
{
    struct rp_request r;
    char *copy = malloc(n > 0 ? n : 1);

    memcpy(copy, p, n);
    o->rc = rp_parser_head(ps, lim, copy, n, fields, &r);
    o->text[0] = '\0';
    if (o->rc > 0)
        outcome_render(o, &r);
    free(copy);
}

static void
must_agree(const struct outcome *a, const struct outcome *b)
{
    if (a->rc != b->rc || strcmp(a->text, b->text) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct rp_limits limits[] = {
        {8190, 100, 8190, 65536, 0},
        {40, 3, 30, 120, 0},
        {65536, 1000, 65536, 65536, 0},
    };
    const struct rp_limits *lim;
    struct outcome whole, o = {.rc = 0};
    struct rp_parser ps;
    struct rp_memos *memos;
    uint32_t seed;

    if (n < 3)
        return 0;
    lim = &limits[p[0] % 3];
    seed = (uint32_t)(p[1] << 8 | p[2]) + 1;
    p += 3;
    n -= 3;

    rp_parser_init(&ps, NULL);
    parse(&ps, lim, p, n, &whole);
    if (whole.rc > (int)n || whole.rc > (int)lim->header_size)
        abort();
    /* What the scan lets pass http-parser splits alike: this error is for two
     * empty lines in front, and else for the day they disagree. */
    if (whole.rc == RP_HTTP_BAD_REQUEST &&
        (n < 3 || memcmp(p, "\r\n\r", 3) != 0))
        abort();
    rp_parser_fini(&ps);

    rp_parser_init(&ps, NULL);
    for (size_t end = 0; o.rc == 0 && end < n;) {
        seed = seed * 1103515245 + 12345;
        end += 1 + (seed >> 16) % (1 + n / 8);
        parse(&ps, lim, p, end < n ? end : n, &o);
    }
    if (n > 0)
        must_agree(&whole, &o);
    rp_parser_fini(&ps);

    /* A block is kept at its second time, used at its third. */
    memos = rp_memos_new(4);
    for (int i = 0; i < 4; i++) {
        rp_parser_init(&ps, memos);
        parse(&ps, lim, p, n, &o);
        must_agree(&whole, &o);
        rp_parser_fini(&ps);
    }
    rp_memos_free(memos);
    return 0;
}
