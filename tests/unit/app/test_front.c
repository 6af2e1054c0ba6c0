/* What stands in front of handlers: the client behind proxies, hosts. */
#include <check.h>

#include "fake.h"
#include "run.h"
#include "rupy/app/impl.h"
#include "rupy/base/log.h"

#define HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n"
#define XFF "X-Forwarded-For: 198.51.100.7\r\n"

static struct fake f;

static void
set_up(void)
{
    fake_init(&f);
    f.service.forwarded.what = RP_FORWARDED_FOR | RP_FORWARDED_PROTO |
                               RP_FORWARDED_HOST | RP_FORWARDED_PREFIX;
    f.service.forwarded.strip = true;
}

static void
tear_down(void)
{
    fake_fini(&f);
}

/* The peer is 192.0.2.1. */
static void
trust(struct rp_str who)
{
    const char *why;

    ck_assert_int_eq(rp_trust_add(&f.service.forwarded.trust, who, &why), 0);
}

/* Ask, and have the exchange in f.held: the bytes it was parsed from are gone
 * by then. */
static const struct rp_request *
hold(const char *head)
{
    fake_feed(&f, head, strlen(head));
    ck_assert_ptr_nonnull(f.held);
    return rp_exchange_request(f.held);
}

static void
let_go(void)
{
    struct rp_answer a = {.status = 200};

    rp_exchange_answer(f.held, &a);
    f.held = NULL;
}

START_TEST(fields_are_copied_only_to_take_some_out)
{
    const struct rp_request *r;
    uint64_t id;

    trust(RP_STR("192.0.2.0/24"));
    for (int i = 0; i < 2; i++) {
        hold(HOLD XFF "\r\n");
        let_go();
    }
    /* Known by now: the fields are the memo's. */
    r = hold(HOLD XFF "\r\n");
    id = r->block_id;
    ck_assert(id != 0 && id < 100);
    ck_assert_ptr_ne(r->fields, f.held->fields);
    ck_assert_uint_eq(r->nfields, 2);
    let_go();

    rp_trust_fini(&f.service.forwarded.trust);
    r = hold(HOLD XFF "\r\n");
    ck_assert_uint_eq(r->nfields, 1);
    ck_assert(rp_str_eq(r->fields[0].name, RP_STR("Host")));
    /* Who keeps what it made of a block must not take one for the other. */
    ck_assert(r->block_id != 0 && r->block_id != id);
    id = r->block_id;
    let_go();
    r = hold(HOLD XFF "\r\n");
    ck_assert(r->block_id == id);
    let_go();

    f.service.forwarded.strip = false;
    r = hold(HOLD XFF "\r\n");
    ck_assert_ptr_ne(r->fields, f.held->fields);
    ck_assert_uint_eq(r->nfields, 2);
    let_go();
}
END_TEST

START_TEST(what_a_proxy_said_stays_when_the_bytes_are_gone)
{
    const struct rp_request *r;

    trust(RP_STR("*"));
    for (int i = 0; i < 4; i++) {
        r = hold(HOLD "X_Forwarded_For: 6.6.6.6\r\n" XFF
                      "X-Forwarded-Host: b.example\r\n"
                      "X-Forwarded-Prefix: /shop\r\n"
                      "X-Forwarded-Proto: https\r\nA: b\r\n\r\n");
        ck_assert_str_eq(rp_exchange_client(f.held)->host, "198.51.100.7");
        ck_assert_str_eq(rp_exchange_peer(f.held)->host, "192.0.2.1");
        ck_assert(rp_str_eq(rp_exchange_scheme(f.held), RP_STR("https")));
        ck_assert(rp_str_eq(rp_exchange_prefix(f.held), RP_STR("/shop")));
        ck_assert(rp_str_eq(r->host, RP_STR("b.example")));
        ck_assert_uint_eq(r->nfields, 6);
        ck_assert(rp_str_eq(r->fields[0].value, RP_STR("b.example")));
        ck_assert(rp_str_eq(r->fields[1].value, RP_STR("198.51.100.7")));
        ck_assert(rp_str_eq(r->fields[5].value, RP_STR("b")));
        let_go();
        r = hold(HOLD "\r\n");
        ck_assert_str_eq(rp_exchange_client(f.held)->host, "192.0.2.1");
        ck_assert(rp_str_eq(rp_exchange_scheme(f.held), RP_STR("http")));
        ck_assert(rp_str_eq(r->host, RP_STR("a")));
        let_go();
    }
}
END_TEST

START_TEST(no_field_may_be_left)
{
    const struct rp_request *r =
        hold("GET /hold HTTP/1.0\r\n" XFF "Forwarded: for=a\r\n\r\n");

    ck_assert_uint_eq(r->nfields, 0);
    let_go();
}
END_TEST

START_TEST(other_hosts_do_not_reach_a_handler)
{
    static const char *const hosts[] = {"a", ".b.example"};

    f.service.hosts = hosts;
    f.service.nhosts = 2;
    hold(HOLD "\r\n");
    let_go();
    f.started = 0;
    fake_feed(&f, "GET / HTTP/1.1\r\nHost: c\r\n\r\n", 27);
    ck_assert_uint_eq(f.started, 0);
    ck_assert_ptr_nonnull(memmem(f.out.p, f.out.n, "HTTP/1.1 400 ", 13));
    fake_feed(&f, "GET / HTTP/1.1\r\nHost: x.b.example:80\r\n\r\n", 40);
    ck_assert_uint_eq(f.started, 1);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    rp_log_set_level(RP_LOG_CRITICAL);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, fields_are_copied_only_to_take_some_out);
    tcase_add_test(t, what_a_proxy_said_stays_when_the_bytes_are_gone);
    tcase_add_test(t, no_field_may_be_left);
    tcase_add_test(t, other_hosts_do_not_reach_a_handler);
    return run_tests("app/front", t);
}
