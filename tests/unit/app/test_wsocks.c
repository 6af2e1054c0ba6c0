/* The deadlines of WebSockets. */

#include "run.h"
#include "rupy/base/log.h"
#include "wsfake.h"

START_TEST(a_ping_must_be_answered_in_time)
{
    struct wsfake s;

    wsfake_init(&s);
    wsfake_tick(&s, 19.9);
    wsfake_sent(&s, "", 0);
    wsfake_tick(&s, 0.2);
    wsfake_sent(&s, S("\x89\x00"));
    wsfake_tick(&s, 10);
    wsfake_feed(&s, FIN | PONG, S(""));
    wsfake_tick(&s, 9.9);
    wsfake_sent(&s, "", 0);
    wsfake_tick(&s, 0.2);
    wsfake_sent(&s, S("\x89\x00"));
    wsfake_tick(&s, 19.9);
    ck_assert(!s.f.closed);
    wsfake_told(&s, "");
    wsfake_tick(&s, 0.2);
    wsfake_sent(&s, S("\x88\x09\x03\xf3no pong"));
    ck_assert(s.f.closed);
    wsfake_told(&s, "C1011(no pong)");
    wsfake_fini(&s);
}
END_TEST

START_TEST(without_a_pong_deadline_pings_go_on)
{
    struct wsfake s;

    wsfake_init(&s);
    s.all.config.ping_timeout = 0;
    for (int i = 0; i < 3; i++) {
        wsfake_tick(&s, 20);
        wsfake_sent(&s, S("\x89\x00"));
    }
    s.all.config.ping_interval = 0;
    wsfake_tick(&s, 1000);
    wsfake_sent(&s, "", 0);
    ck_assert(!s.f.closed);
    wsfake_fini(&s);
}
END_TEST

START_TEST(a_client_that_is_not_read_from_is_not_blamed)
{
    struct wsfake s;

    wsfake_init(&s);
    wsfake_tick(&s, 20);
    wsfake_sent(&s, S("\x89\x00"));
    s.all.config.queue = 1;
    s.holds = s.quiet = true;
    wsfake_feed(&s, FIN | TEXT, S("a"));
    wsfake_feed(&s, FIN | PONG, S(""));
    wsfake_tick(&s, 1000);
    ck_assert(!s.f.closed);
    wsfake_told(&s, "T(a)");
    rp_wsock_taken(s.w, 1);
    fake_feed(&s.f, "", 0);
    wsfake_tick(&s, 19);
    ck_assert(!s.f.closed);
    wsfake_sent(&s, "", 0);
    wsfake_fini(&s);
}
END_TEST

START_TEST(idle_and_old_connections_are_closed)
{
    struct wsfake s;

    wsfake_init(&s);
    s.quiet = true;
    s.all.config.ping_interval = 0;
    s.all.config.idle_timeout = 30;
    wsfake_tick(&s, 29);
    wsfake_feed(&s, FIN | TEXT, S("a"));
    wsfake_tick(&s, 29);
    rp_wsock_send(s.w, true, "b", 1);
    rp_buf_reset(&s.f.out);
    wsfake_tick(&s, 29);
    wsfake_sent(&s, "", 0);
    wsfake_tick(&s, 2);
    wsfake_sent(&s, S("\x88\x06\x03\xe9idle"));
    wsfake_feed(&s, FIN | CLOSE, S("\x03\xe9"));
    wsfake_told(&s, "T(a)C1001()");
    wsfake_connect(&s, NULL);
    s.all.config.idle_timeout = 0;
    s.all.config.max_lifetime = 100;
    wsfake_tick(&s, 99);
    wsfake_sent(&s, "", 0);
    wsfake_tick(&s, 2);
    ck_assert(rp_str_has_prefix((struct rp_str){s.f.out.p, s.f.out.n},
                                RP_STR("\x88\x15\x03\xe9")));
    wsfake_fini(&s);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    rp_log_set_level(RP_LOG_CRITICAL);
    tcase_add_test(t, a_ping_must_be_answered_in_time);
    tcase_add_test(t, without_a_pong_deadline_pings_go_on);
    tcase_add_test(t, a_client_that_is_not_read_from_is_not_blamed);
    tcase_add_test(t, idle_and_old_connections_are_closed);
    return run_tests("app/wsocks", t);
}
