/* The head of a request that goes on: what it has, and what it never has. */
#include <check.h>
#include <errno.h>

#include "run.h"
#include "rupy/http/outbound.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define F(name, value)                                                         \
    {                                                                          \
        {name, sizeof(name) - 1},                                              \
        {                                                                      \
            value, sizeof(value) - 1                                           \
        }                                                                      \
    }

static const char *
render(const struct rp_outbound *o)
{
    static char text[8192];
    struct rp_buf out;

    rp_buf_init(&out, 0);
    ck_assert_int_eq(rp_outbound_write_head(&out, o), 0);
    ck_assert_uint_lt(out.n, sizeof(text));
    memcpy(text, out.p, out.n);
    text[out.n] = '\0';
    rp_buf_fini(&out);
    return text;
}

static struct rp_outbound
outbound(const struct rp_request *r)
{
    return (struct rp_outbound){
        .request = r,
        .target = RP_STR("/x?y"),
        .host = RP_STR("example.org"),
        .client = RP_STR("192.0.2.1"),
        .scheme = RP_STR("http"),
    };
}

START_TEST(fields_of_the_connection_stay_behind)
{
    static const struct rp_field v[] = {
        F("Host", "a"),
        F("Accept", "*/*"),
        F("Connection", "close, X-Own, te"),
        F("Keep-Alive", "5"),
        F("x-own", "1"),
        F("TE", "trailers"),
        F("Trailer", "x"),
        F("Upgrade", "h2c"),
        F("Proxy-Authorization", "secret"),
        F("Transfer-Encoding", "chunked"),
        F("Content-Length", "7"),
        F("Expect", "100-continue"),
        F("Cookie", "c=d"),
        F("Cookie", "e"),
    };
    struct rp_request r = {.method_name = RP_STR("POST"),
                           .host = RP_STR("a"),
                           .fields = v,
                           .nfields = COUNT(v),
                           .content_length = 3};
    struct rp_outbound o = outbound(&r);

    ck_assert_str_eq(render(&o), "POST /x?y HTTP/1.1\r\n"
                                 "Host: example.org\r\n"
                                 "Accept: */*\r\n"
                                 "Cookie: c=d\r\nCookie: e\r\n"
                                 "Content-Length: 3\r\n"
                                 "X-Forwarded-For: 192.0.2.1\r\n"
                                 "X-Forwarded-Proto: http\r\n"
                                 "X-Forwarded-Host: a\r\n\r\n");
}
END_TEST

START_TEST(connection_cannot_take_our_fields_away)
{
    static const struct rp_field v[] = {
        F("Connection", "Host, Content-Length, X-Forwarded-For"),
    };
    struct rp_request r = {.method_name = RP_STR("PUT"),
                           .fields = v,
                           .nfields = 1,
                           .content_length = 0};
    struct rp_outbound o = outbound(&r);

    ck_assert_str_eq(render(&o), "PUT /x?y HTTP/1.1\r\n"
                                 "Host: example.org\r\n"
                                 "Content-Length: 0\r\n"
                                 "X-Forwarded-For: 192.0.2.1\r\n"
                                 "X-Forwarded-Proto: http\r\n\r\n");
}
END_TEST

START_TEST(only_who_is_trusted_is_continued)
{
    static const struct rp_field v[] = {
        F("X-Forwarded-For", "198.51.100.1"),
        F("x-forwarded-for", "198.51.100.2"),
        F("X-Forwarded-Proto", "https"),
        F("X-Forwarded-Port", "1"),
        F("Forwarded", "for=1"),
        F("X-Real-IP", "1"),
        F("X_Forwarded_For", "1"),
    };
    struct rp_request r = {.method_name = RP_STR("GET"),
                           .fields = v,
                           .nfields = COUNT(v),
                           .content_length = -1};
    struct rp_outbound o = outbound(&r);

    ck_assert_str_eq(render(&o), "GET /x?y HTTP/1.1\r\n"
                                 "Host: example.org\r\n"
                                 "X-Forwarded-For: 192.0.2.1\r\n"
                                 "X-Forwarded-Proto: http\r\n\r\n");
    o.trusted = true;
    o.scheme = RP_STR("https");
    o.client = RP_STR("");
    o.prefix = RP_STR("/api");
    ck_assert_str_eq(render(&o),
                     "GET /x?y HTTP/1.1\r\n"
                     "Host: example.org\r\n"
                     "X-Forwarded-For: 198.51.100.1, 198.51.100.2, unknown\r\n"
                     "X-Forwarded-Proto: https\r\n"
                     "X-Forwarded-Prefix: /api\r\n\r\n");
}
END_TEST

START_TEST(content_and_upgrades_are_framed_by_us)
{
    struct rp_request r = {
        .method_name = RP_STR("GET"), .content_length = -1, .chunked = true};
    struct rp_outbound o = outbound(&r);

    ck_assert(strstr(render(&o), "Transfer-Encoding: chunked\r\n"));
    r.chunked = false;
    ck_assert(!strstr(render(&o), "Connection"));
    ck_assert(!strstr(render(&o), "Content-Length"));
    o.upgrade = true;
    ck_assert(strstr(render(&o), "\r\nConnection: Upgrade\r\n"
                                 "Upgrade: websocket\r\n\r\n"));
}
END_TEST

/* As many as may be taken, and an X-Request-ID of ours. */
START_TEST(every_field_has_room)
{
    static struct rp_field v[RP_MAX_FIELDS + 1];
    struct rp_request r = {.method_name = RP_STR("GET"),
                           .fields = v,
                           .nfields = COUNT(v),
                           .content_length = -1};
    struct rp_outbound o = outbound(&r);
    struct rp_buf out;

    for (size_t i = 0; i < COUNT(v); i++)
        v[i] = (struct rp_field)F("A", "b");
    rp_buf_init(&out, 0);
    ck_assert_int_eq(rp_outbound_write_head(&out, &o), 0);
    ck_assert_uint_gt(out.n, COUNT(v) * (sizeof("A: b\r\n") - 1));
    rp_buf_fini(&out);
}
END_TEST

START_TEST(connection_names_few)
{
    static char many[RP_MAX_CONNECTION_OPTIONS * 2 + 2];
    struct rp_field f = {RP_STR("Connection"), {many, 0}};
    struct rp_request r = {.method_name = RP_STR("GET"),
                           .fields = &f,
                           .nfields = 1,
                           .content_length = -1};
    struct rp_outbound o = outbound(&r);
    struct rp_buf out;

    for (int i = 0; i <= RP_MAX_CONNECTION_OPTIONS; i++)
        memcpy(many + 2 * i, "a,", 2);
    rp_buf_init(&out, 0);
    f.value.n = RP_MAX_CONNECTION_OPTIONS * 2;
    ck_assert_int_eq(rp_outbound_write_head(&out, &o), 0);
    f.value.n += 2;
    ck_assert_int_eq(rp_outbound_write_head(&out, &o), -1);
    ck_assert_int_eq(errno, EINVAL);
    rp_buf_fini(&out);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("outbound");

    tcase_add_test(t, fields_of_the_connection_stay_behind);
    tcase_add_test(t, connection_cannot_take_our_fields_away);
    tcase_add_test(t, only_who_is_trusted_is_continued);
    tcase_add_test(t, content_and_upgrades_are_framed_by_us);
    tcase_add_test(t, every_field_has_room);
    tcase_add_test(t, connection_names_few);
    return run_tests("outbound", t);
}
