#include "toy.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"
#include "rupy/base/log.h"

volatile sig_atomic_t toy_got_term;
static struct toy_facts *facts_of_handlers;

void
toy_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void
on_term(int sig)
{
    (void)sig;
    toy_got_term = 1;
    atomic_fetch_add(&facts_of_handlers->terms, 1);
}

static void
on_usr1(int sig)
{
    (void)sig;
    atomic_fetch_add(&facts_of_handlers->usr1s, 1);
}

static void
on_abrt(int sig)
{
    atomic_fetch_add(&facts_of_handlers->aborts, 1);
    signal(sig, SIG_DFL);
    raise(sig);
}

void
toy_catch_term(struct toy *t)
{
    sigset_t term;

    facts_of_handlers = t->facts;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    /* Open only while we wait, so that none comes just before. */
    sigprocmask(SIG_BLOCK, &term, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_usr1}, NULL);
    sigaction(SIGABRT, &(struct sigaction){.sa_handler = on_abrt}, NULL);
}

bool
toy_turn(struct toy *t, struct rp_worker *w)
{
    struct pollfd p = {.fd = rp_worker_alive_fd(w), .events = POLLIN};
    struct timespec moment = {.tv_nsec = 20000000};
    sigset_t none;

    sigemptyset(&none);
    ppoll(&p, 1, &moment, &none);
    rp_worker_tick(w);
    if (rp_worker_is_orphan(w)) {
        atomic_fetch_add(&t->facts->orphans, 1);
        return true;
    }
    return toy_got_term;
}

int
toy_serve(struct toy *t, struct rp_worker *w)
{
    toy_catch_term(t);
    rp_worker_say_ready(w);
    while (!toy_turn(t, w))
        ;
    return 0;
}

static int
child(void *arg, struct rp_worker *w)
{
    struct toy *t = arg;

    alarm(3 * TOY_PATIENCE);
    atomic_fetch_add(&t->facts->starts, 1);
    return t->child(t, w);
}

static void
before_fork(void *arg)
{
    struct toy *t = arg;

    atomic_fetch_add(&t->facts->before_forks, 1);
}

static void
after_fork_parent(void *arg)
{
    struct toy *t = arg;

    atomic_fetch_add(&t->facts->after_parents, 1);
}

static void
after_fork_child(void *arg)
{
    struct toy *t = arg;

    atomic_fetch_add(&t->facts->after_children, 1);
}

static void
on_ready(void *arg)
{
    struct toy *t = arg;

    atomic_fetch_add(&t->facts->ready_calls, 1);
}

static int
on_reload(void *arg, struct rp_master_config *config)
{
    struct toy *t = arg;

    (void)config;
    atomic_fetch_add(&t->facts->reloads, 1);
    return t->facts->refuses ? -1 : 0;
}

static void
reopen_logs(void *arg)
{
    struct toy *t = arg;

    atomic_fetch_add(&t->facts->reopens, 1);
}

static int
upgrade(void *arg)
{
    struct toy *t = arg;

    alarm(3 * TOY_PATIENCE);
    atomic_fetch_add(&t->facts->upgrades, 1);
    while (!t->facts->broken)
        toy_nap();
    return 7;
}

static void
hear(void *arg, char c)
{
    struct toy *t = arg;

    if (c == RP_TEMPLATE_REOPEN)
        atomic_fetch_add(&t->facts->words, 1);
}

static int
preload(void *arg, struct rp_template *template)
{
    static const struct rp_template_ops ops = {
        .child = child,
        .before_fork = before_fork,
        .after_fork_parent = after_fork_parent,
        .after_fork_child = after_fork_child,
        .hear = hear,
    };
    struct toy *t = arg;
    int status;

    alarm(3 * TOY_PATIENCE);
    atomic_fetch_add(&t->facts->imports, 1);
    status = t->import ? t->import(t, template) : 0;
    return status ? status : rp_template_serve(template, &ops, t);
}

static int
on_turn(void *arg, struct rp_master *m)
{
    struct toy *t = arg;

    (void)m;
    atomic_fetch_add(&t->facts->turns, 1);
    return -1;
}

void
toy_init(struct toy *t, uint32_t workers, toy_child *run)
{
    memset(t, 0, sizeof(*t));
    rp_master_config_init(&t->config);
    t->config.workers = workers;
    t->config.max_workers = 4;
    t->child = run;
    t->facts = mmap(NULL, sizeof(*t->facts), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(t->facts != MAP_FAILED);
    t->board = rp_board_new(rp_master_slots(&t->config));
    ck_assert_ptr_nonnull(t->board);
    t->config.board = t->board;
    t->log = memfd_create("log", MFD_CLOEXEC);
    ck_assert_int_ge(t->log, 0);
}

void
toy_start(struct toy *t)
{
    static const struct rp_master_ops ops = {
        .child = child,
        .preload = preload,
        .before_fork = before_fork,
        .after_fork_parent = after_fork_parent,
        .after_fork_child = after_fork_child,
        .on_ready = on_ready,
        .on_reload = on_reload,
        .reopen_logs = reopen_logs,
        .upgrade = upgrade,
        .on_turn = on_turn,
    };

    t->master = fork();
    ck_assert_int_ge(t->master, 0);
    setpgid(t->master, t->master);
    if (t->master > 0)
        return;
    setpgid(0, 0);
    /* A test that fails ends without toy_fini(); the workers notice the rest.
     * Check catches SIGALRM, and we inherited that. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGALRM, SIG_DFL);
    alarm(3 * TOY_PATIENCE);
    rp_log_init(t->log, RP_LOG_DEBUG, 0);
    _exit(rp_master_run(&t->config, &ops, t));
}

void
toy_start_all(struct toy *t)
{
    toy_start(t);
    wait_for(toy_ready(t) == t->config.workers);
}

void
toy_stop(struct toy *t)
{
    toy_signal(t, SIGTERM);
    ck_assert_int_eq(toy_wait_exit(t), RP_EXIT_OK);
    toy_fini(t);
}

void
toy_fini(struct toy *t)
{
    if (t->master > 0) {
        kill(-t->master, SIGKILL);
        waitpid(t->master, NULL, 0);
    }
    close(t->log);
    rp_board_free(t->board);
    munmap(t->facts, sizeof(*t->facts));
}

void
toy_signal(struct toy *t, int sig)
{
    ck_assert_int_eq(kill(t->master, sig), 0);
}

int
toy_wait_exit(struct toy *t)
{
    double until = rp_clock_mono() + TOY_PATIENCE;
    int status;

    while (rp_clock_mono() < until) {
        if (waitpid(t->master, &status, WNOHANG) == t->master) {
            /* No worker may be left in the group. */
            ck_assert(kill(-t->master, 0) < 0 && errno == ESRCH);
            t->master = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        toy_nap();
    }
    return -1;
}

pid_t
toy_pid(const struct toy *t, uint32_t slot)
{
    return atomic_load(&t->board->slots[slot].pid);
}

unsigned
toy_log_count(struct toy *t, const char *what)
{
    ssize_t n = pread(t->log, t->text, sizeof(t->text) - 1, 0);
    unsigned count = 0;

    t->text[n > 0 ? n : 0] = '\0';
    for (char *p = t->text; (p = strstr(p, what)) != NULL; p++)
        count++;
    return count;
}

uint32_t
toy_ready(const struct toy *t)
{
    return rp_board_count(t->board, RP_WORKER_READY);
}

bool
toy_all_generation(const struct toy *t, uint32_t generation)
{
    for (uint32_t i = 0; i < t->board->n; i++) {
        const struct rp_worker_slot *s = &t->board->slots[i];

        if (atomic_load(&s->state) == RP_WORKER_READY &&
            atomic_load(&s->generation) != generation)
            return false;
    }
    return true;
}

int
toy_run_suite(const char *name, const TTest *const *tests, size_t n)
{
    TCase *tc = tcase_create(name);

    tcase_set_timeout(tc, 3 * TOY_PATIENCE);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    return run_tests(name, tc);
}
