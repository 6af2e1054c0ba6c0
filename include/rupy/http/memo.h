/* memo.h -- blocks of field lines that were checked and split before.
 *
 * A block is everything between the request line and the content: the field
 * lines and the empty line.  Only blocks that leave nothing to decide are
 * kept: HTTP/1.1, no content, no Expect, no Upgrade. */
#ifndef RUPY_HTTP_MEMO_H
#define RUPY_HTTP_MEMO_H

#include "rupy/base/list.h"
#include "rupy/http/parser.h"

enum {
    RP_MEMO_MAX_SIZE = 2048, /* bytes of a block */
    RP_MEMO_MAX_FIELDS = 64,
};

struct rp_memo {
    struct rp_list used;   /* in the table, last used first; else alone */
    struct rp_memo *chain; /* same slot of the table */
    uint64_t hash;
    uint64_t id;   /* never used again by another block */
    unsigned refs; /* the table's, and one of each parser */
    bool listed;   /* in the table still */
    bool keep_alive, has_forwarded;
    uint32_t longest; /* field line */
    struct rp_str host;
    struct rp_str text;
    unsigned nfields;
    struct rp_field fields[]; /* the text stands behind them */
};

/* The memo that p..p+n begins with, or NULL: `last` (may be NULL), or the one
 * that anybody used last. */
struct rp_memo *rp_memos_match(struct rp_memos *m, struct rp_memo *last,
                               const char *p, size_t n);
/* Let *slot refer to memo (may be NULL) instead of what it referred to. */
void rp_memo_set(struct rp_memo **slot, struct rp_memo *memo);

/* The block that *r was just parsed from.  Find its memo or, when it was seen
 * before, make one: blocks that never come again are not worth their copy.
 * Lent; NULL when there is none. */
struct rp_memo *rp_memos_add(struct rp_memos *m, struct rp_str block,
                             const struct rp_request *r, uint32_t longest);

#endif
