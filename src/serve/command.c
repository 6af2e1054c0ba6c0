/* command.c -- the program, seen from the command line. */
#include "rupy/serve/command.h"

#include <ev.h>

#include "rupy/http/parser.h"
#include "rupy/py/interp.h"
#include "rupy/route/regex.h"
#include "rupy/serve/completion.h"
#include "rupy/serve/ctl.h"
#include "rupy/serve/renew.h"
#include "rupy/serve/serve.h"
#include "rupy/serve/statics.h"

void
rp_command_version(char *out, size_t n)
{
    char python[64], http[16], pcre2[32];

    rp_interp_version(python, sizeof(python));
    rp_parser_version(http, sizeof(http));
    rp_regex_version(pcre2, sizeof(pcre2));
    snprintf(out, n,
             "rupy-serve " RP_VERSION
             " (%s, libev %d.%d, http-parser %s, PCRE2 %s)",
             python, ev_version_major(), ev_version_minor(), http, pcre2);
}

int
rp_command_prepare(struct rp_config *c)
{
    bool is_running = rp_interp_is_running();

    if (is_running && c->venv != NULL)
        return rp_config_fail(c,
                              "--venv is for the program rupy-serve; run "
                              "%s/bin/python -m rupy",
                              c->venv);
    if (rp_config_enter(c) < 0 || rp_statics_check(c) < 0)
        return -1;
    if (is_running && rp_interp_sync_environ() < 0)
        return rp_config_fail(c, "--env: os.environ cannot be set");
    return 0;
}

/* What a pipe or a full disk did to stdout is an error too. */
static int
flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return RP_EXIT_OK;
    perror("rupy-serve: stdout");
    return RP_EXIT_INTERNAL;
}

static int
check_app(struct rp_config *c, const struct rp_door *door)
{
    int status;

    if (rp_command_prepare(c) < 0) {
        fprintf(stderr, "rupy-serve: %s\n", c->error);
        return RP_EXIT_USAGE;
    }
    status = rp_serve_check(c, door);
    if (status != RP_EXIT_OK)
        return status;
    puts("the options and the application are right");
    return flushed();
}

static int
run(struct rp_config *c, const struct rp_door *door)
{
    char version[256];

    switch (c->action) {
    case RP_ACTION_HELP:
        rp_option_help(stdout, c->help_group);
        return flushed();
    case RP_ACTION_VERSION:
        rp_command_version(version, sizeof(version));
        puts(version);
        return flushed();
    case RP_ACTION_CHECK:
        puts("the options are right");
        return flushed();
    case RP_ACTION_CHECK_APP:
        return check_app(c, door);
    case RP_ACTION_BASH:
    case RP_ACTION_ZSH:
    case RP_ACTION_FISH:
        rp_completion_print(stdout, c->action);
        return flushed();
    case RP_ACTION_PRINT_TOML:
    case RP_ACTION_PRINT_JSON:
        rp_config_print(c, stdout, c->action == RP_ACTION_PRINT_JSON);
        return flushed();
    case RP_ACTION_SERVE:
        break;
    }
    if (rp_command_prepare(c) == 0)
        return rp_serve_main(c, door);
    fprintf(stderr, "rupy-serve: %s\n", c->error);
    return RP_EXIT_USAGE;
}

int
rp_command_main(int argc, char *const *argv, char *const *environ_,
                const struct rp_door *door)
{
    struct rp_origin origin;
    struct rp_config c;
    int status = RP_EXIT_USAGE;

    if (argc > 1 && strcmp(argv[1], "ctl") == 0)
        return rp_ctl_main(argc - 1, argv + 1);
    if (rp_origin_init(&origin, argc, argv, environ_) < 0) {
        perror("rupy-serve");
        return RP_EXIT_INTERNAL;
    }
    rp_config_init(&c);
    c.origin = &origin;
    c.door = door;
    if (rp_config_from_argv(&c, argc, argv, environ_) < 0)
        fprintf(stderr, "rupy-serve: %s\n", c.error);
    else
        status = run(&c, door);
    rp_config_fini(&c);
    rp_origin_fini(&origin);
    return status;
}
