/* fuzz_files.c -- the path of a URL, then lines: Range, Accept-Encoding, and
 * conditions.
 *
 * Whatever they say: a path stays below its folder, ranges lie inside of the
 * file and do not overlap, and only GET gets a part. */
#include <stdlib.h>

#include "rupy/files/disposition.h"
#include "rupy/files/mime.h"
#include "rupy/files/path.h"
#include "rupy/files/select.h"
#include "rupy/http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FIELDS_MAX = 8 };

static void
require(bool fact)
{
    if (!fact)
        abort();
}

static struct rp_str
take_line(struct rp_str *rest)
{
    const char *lf = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
    struct rp_str line = {rest->p, lf ? (size_t)(lf - rest->p) : rest->n};

    rest->p += line.n + (lf != NULL);
    rest->n -= line.n + (lf != NULL);
    return line;
}

static void
check_path(struct rp_str url, bool dot_files)
{
    char routed[3 * 8192], out[RP_FILES_PATH_MAX];
    bool is_dir;
    int n;

    if (url.n > 8192)
        return;
    url = (struct rp_str){routed, rp_url_decode_route(routed, url)};
    n = rp_files_path(out, url, dot_files, &is_dir);
    if (n < 0)
        return;
    require(n < RP_FILES_PATH_MAX && out[n] == '\0');
    require(strlen(out) == (size_t)n);
    require(n == 0 || (out[0] != '/' && out[n - 1] != '/'));
    require(!strchr(out, '\\') && !strstr(out, "//"));
    require(!rp_url_has_dot_segment((struct rp_str){out, (size_t)n}));
    require(dot_files || (out[0] != '.' && !strstr(out, "/.")));
    require(rp_mime_find((struct rp_str){out, (size_t)n}, NULL, 0).n > 0);
}

static void
check_ranges(const struct rp_selection *s, uint64_t size)
{
    require(s->n <= RP_RANGES_MAX && (s->n > 0) == (s->status == 206));
    for (unsigned i = 0; i < s->n; i++) {
        const struct rp_range *r = &s->ranges[i];
        require(r->n > 0 && r->first < size && r->n <= size - r->first);
        for (unsigned j = 0; j < i; j++)
            require(s->ranges[j].first + s->ranges[j].n <= r->first ||
                    r->first + r->n <= s->ranges[j].first);
    }
}

static void
check_name(struct rp_str name)
{
    struct rp_buf b;

    if (!rp_disposition_is_name(name))
        return;
    rp_buf_init(&b, 0);
    require(rp_disposition_add(&b, name, false) == 0);
    require(rp_is_field_value((struct rp_str){b.p, b.n}));
    rp_buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct rp_str names[FIELDS_MAX] = {
        {"Range", 5},    {"Accept-Encoding", 15},
        {"If-Range", 8}, {"If-None-Match", 13},
        {"If-Match", 8}, {"If-Modified-Since", 17},
        {"If-Match", 8}, {"If-Unmodified-Since", 19},
    };
    struct rp_str rest = {(const char *)data + 1, n - 1}, path;
    struct rp_field fields[FIELDS_MAX];
    struct rp_request r = {.fields = fields};
    struct rp_validators v = {RP_STR("\"12-3\""), 784111777, 0};
    enum rp_coding codings[RP_N_CODINGS];
    struct rp_selection s;

    if (n < 1)
        return 0;
    v.size = data[0] < 0xf0 ? data[0] : UINT64_C(1) << (data[0] & 15) * 4;
    r.method = data[0] & 1 ? RP_METHOD_GET : RP_METHOD_HEAD;
    path = take_line(&rest);
    check_path(path, data[0] & 1);
    check_name(path);
    while (r.nfields < FIELDS_MAX && rest.n > 0) {
        struct rp_str line = take_line(&rest);
        if (line.n == 0 || !rp_is_field_value(line))
            continue;
        fields[r.nfields++] =
            (struct rp_field){names[(unsigned char)line.p[0] % FIELDS_MAX],
                              {line.p + 1, line.n - 1}};
    }
    require(rp_codings_accepted(&r, codings) <= RP_N_CODINGS);
    rp_select(&r, &v, 800000000, &s);
    require(s.status == 200 || s.status == 206 || s.status == 304 ||
            s.status == 412 || s.status == 416);
    require(s.status != 206 || r.method == RP_METHOD_GET);
    check_ranges(&s, v.size);
    return 0;
}
