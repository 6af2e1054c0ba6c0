/* options.c -- the table of options, and finding a row of it. */
#include "rupy/serve/options.h"

#include <ctype.h>
#include <stdint.h>

#include "rupy/serve/config.h"

#define FIELD(f)                                                               \
    .offset = offsetof(struct rp_config, f),                                   \
    .size = sizeof(((struct rp_config *)NULL)->f)

/* clang-format off */
static const struct rp_option options[] = {
#define GROUP .group = RP_GROUP_APPLICATION
    {GROUP, .name = "app", .type = RP_OPTION_STRING, .arg = "APP", FIELD(app),
     .help = "the application, when it is not given as a word of its own: "
             "module:attr, module:factory(), or path/to/file.py[:attr]"},
    {GROUP, .name = "interface", .type = RP_OPTION_ENUM, .arg = "KIND",
     .value = "auto", .choices = "auto rupy asgi wsgi", FIELD(interface),
     .help = "what APP speaks: auto, rupy, asgi or wsgi"},
    {GROUP, .name = "factory", .type = RP_OPTION_FLAG, FIELD(factory),
     .arg = "", .value = "off",
     .help = "APP is a function that returns the application"},
    {GROUP, .name = "app-dir", .type = RP_OPTION_LIST, .arg = "DIR",
     FIELD(app_dirs), .shown = "the current folder",
     .help = "look for modules here first; may be repeated",
     .aliases = "pythonpath"},
    {GROUP, .name = "root-path", .type = RP_OPTION_STRING, .arg = "PATH",
     FIELD(root_path), .aliases = "url-path-prefix",
     .help = "where the application is mounted: ASGI root_path, WSGI "
             "SCRIPT_NAME"},
    {GROUP, .name = "lifespan", .type = RP_OPTION_ENUM, .arg = "MODE",
     .value = "auto", .choices = "auto on off", FIELD(lifespan),
     .help = "ASGI's start-up and shutdown: auto (when the application has "
             "them), on or off"},
    {GROUP, .name = "chdir", .type = RP_OPTION_STRING, .arg = "DIR",
     FIELD(chdir), .aliases = "working-dir",
     .fixed = true,
     .help = "enter this folder before anything else is looked up"},
    {GROUP, .name = "venv", .type = RP_OPTION_STRING, .arg = "DIR",
     FIELD(venv), .shown = "$VIRTUAL_ENV", .aliases = "home",
     .help = "virtual environment whose packages are used"},
    {GROUP, .name = "env", .letter = 'e', .type = RP_OPTION_LIST,
     .arg = "KEY=VALUE", FIELD(env),
     .join = "=",
     .help = "set a variable for the application; may be repeated"},
    {GROUP, .name = "env-file", .type = RP_OPTION_LIST, .arg = "FILE",
     FIELD(env_files),
     .help = "variables from a file, one KEY=VALUE a line, unless the "
             "environment has them; may be repeated"},
#undef GROUP
#define GROUP .group = RP_GROUP_SOCKETS
    {GROUP, .name = "bind", .letter = 'b', .type = RP_OPTION_ADDRESSES,
     .arg = "ADDR", FIELD(bind), .shown = "127.0.0.1:8000, or 0.0.0.0:$PORT",
     .fixed = true,
     .help = "listen on HOST:PORT, :PORT, [::1]:PORT, unix:PATH, unix:@NAME "
             "or fd://N; may be repeated"},
    {GROUP, .name = "host", .type = RP_OPTION_STRING, .arg = "HOST",
     FIELD(host), .shown = "127.0.0.1", .fixed = true,
     .help = "host part of one address"},
    {GROUP, .name = "port", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "-1", .shown = "8000", .env = "PORT", .max = 65535, FIELD(port),
     .fixed = true,
     .help = "port of that address; 0 lets the system choose"},
    {GROUP, .name = "uds", .type = RP_OPTION_STRING, .arg = "PATH",
     FIELD(uds), .fixed = true,
     .help = "listen on one Unix domain socket"},
    {GROUP, .name = "fd", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "-1", .shown = "", .max = 65535, FIELD(fd),
     .fixed = true,
     .help = "listen on a socket that was inherited"},
    {GROUP, .name = "uds-mode", .type = RP_OPTION_MODE, .arg = "MODE",
     .value = "0660", FIELD(uds_mode), .aliases = "uds-permissions",
     .fixed = true,
     .help = "permissions of Unix domain sockets, octal"},
    {GROUP, .name = "backlog", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "2048", .min = 1, .max = 65535, FIELD(backlog),
     .fixed = true,
     .help = "connections that may wait to be accepted"},
    {GROUP, .name = "proxy-protocol", .type = RP_OPTION_ENUM, .arg = "VERSION",
     .value = "off", .choices = "off v1 v2 auto", FIELD(proxy_protocol),
     .help = "connections of proxies begin with a PROXY header: off, v1, v2 "
             "or auto"},
    {GROUP, .name = "proxy-protocol-from", .type = RP_OPTION_ADDRESSES,
     .arg = "ADDR", .value = "127.0.0.1,::1", FIELD(proxy_protocol_from),
     .aliases = "proxy-allow-from",
     .help = "addresses and networks that must send it; unix sockets always; "
             "may be repeated"},
#undef GROUP
#define GROUP .group = RP_GROUP_PROCESSES
    {GROUP, .name = "workers", .letter = 'w', .type = RP_OPTION_WORKERS,
     .arg = "N|auto", .value = "1", .env = "WEB_CONCURRENCY", .min = 1,
     .max = RP_MAX_WORKERS, FIELD(workers_wanted),
     .help = "worker processes; auto is the CPUs that this process, or its "
             "container, may use"},
    {GROUP, .name = "max-workers", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "0", .shown = "4 x workers", .max = RP_MAX_WORKERS,
     FIELD(max_workers), .fixed = true,
     .help = "how far SIGTTIN may raise their number"},
    {GROUP, .name = "threads", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "0", .max = 1024, FIELD(threads),
     .help = "threads per worker for handlers that are not async; 0 runs "
             "them on the event loop"},
    {GROUP, .name = "queue-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "0", FIELD(queue_timeout),
     .help = "a request that waits longer for a thread is answered 503"},
    {GROUP, .name = "cancel-on-disconnect", .type = RP_OPTION_FLAG,
     .arg = "", .value = "off", FIELD(cancel_on_disconnect),
     .help = "cancel an async handler of a rupy app when its client goes"},
    {GROUP, .name = "timeout", .letter = 't', .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "30s", FIELD(timeout), .aliases = "worker-timeout",
     .help = "replace a worker whose event loop has been stuck this long"},
    {GROUP, .name = "request-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "0", FIELD(deadlines.handler),
     .help = "a request without an answer after so long is answered 504 and "
             "its handler cancelled"},
    {GROUP, .name = "startup-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "60s", FIELD(startup_timeout),
     .help = "from the start of a worker until it is ready"},
    {GROUP, .name = "graceful-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "30s", FIELD(graceful_timeout),
     .aliases = "timeout-graceful-shutdown",
     .help = "what a worker has to end its requests and itself"},
    {GROUP, .name = "shutdown-delay", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "0", FIELD(shutdown_delay),
     .help = "go on serving for so long after SIGTERM, while probes fail"},
    {GROUP, .name = "max-requests", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "0", .max = 2147483647, FIELD(max_requests),
     .aliases = "limit-max-requests",
     .help = "replace a worker after so many requests; 0 is never"},
    {GROUP, .name = "max-requests-jitter", .type = RP_OPTION_INTEGER,
     .arg = "N", .value = "-1", .shown = "a tenth", .min = -1,
     .max = 1000000000, FIELD(max_requests_jitter),
     .aliases = "limit-max-requests-jitter",
     .help = "and up to so many more, drawn by each worker"},
    {GROUP, .name = "worker-lifetime", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "0", FIELD(worker_lifetime),
     .aliases = "workers-lifetime",
     .help = "replace a worker after so long; 0 is never"},
    {GROUP, .name = "worker-lifetime-jitter", .type = RP_OPTION_DURATION,
     .arg = "DUR", .shown = "a tenth", FIELD(worker_lifetime_jitter),
     .help = "and up to so much later, drawn by each worker"},
    {GROUP, .name = "worker-max-rss", .type = RP_OPTION_SIZE, .arg = "SIZE",
     .value = "0", FIELD(worker_max_rss), .aliases = "workers-max-rss",
     .help = "replace a worker whose resident memory is above this; 0 is "
             "never"},
    {GROUP, .name = "recycle-parallel", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "1", .min = 1, .max = RP_MAX_WORKERS, FIELD(recycle_parallel),
     .help = "workers that may be replaced at the same time"},
    {GROUP, .name = "respawn-backoff", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "1s", FIELD(respawn_backoff),
     .help = "pause before a dead worker is replaced again; doubles up to "
             "30s"},
    {GROUP, .name = "boot-failures", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "3", .min = 1, .max = 1000, FIELD(boot_failures),
     .help = "give up after this many failed starts when no worker was ever "
             "ready"},
    {GROUP, .name = "pid", .letter = 'p', .type = RP_OPTION_STRING,
     .arg = "FILE", FIELD(pid), .aliases = "pid-file pidfile",
     .fixed = true,
     .help = "write the process id of the master there"},
    {GROUP, .name = "name", .letter = 'n', .type = RP_OPTION_STRING,
     .arg = "NAME", FIELD(name), .shown = "of the application",
     .aliases = "process-name proc-name",
     .help = "what ps and top show"},
#undef GROUP
#define GROUP .group = RP_GROUP_HTTP
    {GROUP, .name = "keep-alive", .type = RP_OPTION_DURATION, .arg = "DUR",
     .value = "75s", FIELD(deadlines.keep_alive),
     .aliases = "timeout-keep-alive",
     .help = "idle time between two requests of a connection"},
    {GROUP, .name = "keep-alive-requests", .type = RP_OPTION_INTEGER,
     .arg = "N", .value = "0", .max = INT32_MAX, FIELD(keep_alive_requests),
     .help = "requests on a connection before it is closed; 0 is no limit"},
    {GROUP, .name = "header-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "30s", FIELD(deadlines.head),
     .help = "from the first byte of a request to the end of its header"},
    {GROUP, .name = "first-byte-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .shown = "header-timeout", FIELD(deadlines.first_byte),
     .help = "from connecting to the first byte"},
    {GROUP, .name = "body-timeout", .type = RP_OPTION_DURATION, .arg = "DUR",
     .value = "30s", FIELD(deadlines.content),
     .help = "between two pieces of a request body"},
    {GROUP, .name = "body-min-rate", .type = RP_OPTION_SIZE, .arg = "SIZE",
     .value = "0", FIELD(body_min_rate),
     .help = "a request body that comes with fewer bytes a second, after 5s, "
             "is answered 408; 0 is no limit"},
    {GROUP, .name = "send-timeout", .type = RP_OPTION_DURATION, .arg = "DUR",
     .value = "60s", FIELD(deadlines.send),
     .help = "while the client takes nothing of an answer"},
    {GROUP, .name = "linger-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "5s", FIELD(deadlines.linger),
     .help = "for what a refused client still sends"},
    {GROUP, .name = "limit-request-line", .type = RP_OPTION_SIZE,
     .arg = "SIZE", .value = "8190", .min = 64, .max = 1 << 20,
     FIELD(limits.request_line), .help = "over it 414"},
    {GROUP, .name = "limit-request-fields", .type = RP_OPTION_INTEGER,
     .arg = "N", .value = "100", .min = 1, .max = RP_MAX_FIELDS,
     FIELD(limits.request_fields), .help = "header fields; over it 431"},
    {GROUP, .name = "limit-request-field-size", .type = RP_OPTION_SIZE,
     .arg = "SIZE", .value = "8190", .min = 64, .max = 1 << 20,
     FIELD(limits.request_field_size), .help = "one field; over it 431"},
    {GROUP, .name = "limit-header-size", .type = RP_OPTION_SIZE,
     .arg = "SIZE", .value = "64k", .min = 256, .max = 16 << 20,
     FIELD(limits.header_size), .help = "the whole header; over it 431"},
    {GROUP, .name = "limit-body", .type = RP_OPTION_SIZE, .arg = "SIZE",
     .value = "0", FIELD(limits.body),
     .aliases = "limit-request-body max-body",
     .help = "request body; over it 413; 0 is no limit"},
    {GROUP, .name = "body-buffer", .type = RP_OPTION_SIZE, .arg = "SIZE",
     .value = "64k", .min = 1024, .max = 1 << 30, FIELD(body_buffer),
     .help = "request body in memory for a WSGI application without threads; "
             "what is more waits in a file"},
    {GROUP, .name = "limit-connections", .type = RP_OPTION_INTEGER,
     .arg = "N", .value = "1000", .min = 1, .max = 1000000,
     FIELD(limit_connections), .aliases = "worker-connections",
     .help = "open connections per worker; more wait to be accepted"},
    {GROUP, .name = "limit-concurrency", .type = RP_OPTION_INTEGER,
     .arg = "N", .value = "0", .max = 1000000, FIELD(limit_concurrency),
     .help = "requests in work per worker; over it 503; 0 is no limit"},
    {GROUP, .name = "server-header", .type = RP_OPTION_FLAG, .arg = "",
     .value = "off", FIELD(server_header), .help = "send Server"},
    {GROUP, .name = "date-header", .type = RP_OPTION_FLAG, .arg = "",
     .value = "on", FIELD(date_header), .help = "send Date"},
    {GROUP, .name = "early-hints", .type = RP_OPTION_FLAG, .arg = "",
     .value = "off", FIELD(early_hints),
     .help = "let applications send 103 (Early Hints)"},
    {GROUP, .name = "header", .type = RP_OPTION_LIST, .arg = "'NAME: VALUE'",
     FIELD(headers),
     .join = ": ",
     .help = "add a field to every answer; may be repeated"},
    {GROUP, .name = "allowed-host", .type = RP_OPTION_ADDRESSES,
     .arg = "HOST", .value = "*", FIELD(allowed_hosts),
     .help = "answer 400 to requests for other hosts; .example.com is it and "
             "all below it; may be repeated"},
    {GROUP, .name = "static", .type = RP_OPTION_LIST, .arg = "URL=DIR",
     .join = "=",
     FIELD(statics),
     .help = "answer GET below the path URL with the files of a folder, "
             "before the application is asked; may be repeated"},
    {GROUP, .name = "static-expires", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "0", FIELD(static_expires),
     .help = "how long clients may use them without asking again"},
#undef GROUP
#define GROUP .group = RP_GROUP_PROXY
    {GROUP, .name = "forwarded-allow-ips", .type = RP_OPTION_ADDRESSES,
     .arg = "ADDR", .value = "127.0.0.1,::1,unix:",
     .env = "FORWARDED_ALLOW_IPS", FIELD(forwarded_allow_ips),
     .help = "proxies whose word counts: addresses, networks, unix:, * or "
             "none; may be repeated"},
    {GROUP, .name = "forwarded", .type = RP_OPTION_ADDRESSES,
     .arg = "WHAT", .value = "for,proto", FIELD(forwarded),
     .help = "what they are believed: off, x-forwarded, rfc7239, or some of "
             "for,proto,host,port,prefix"},
    {GROUP, .name = "forwarded-hops", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "0", .max = RP_FORWARDED_MAX, FIELD(forwarded_hops),
     .help = "number of proxies in a row; 0 is as many as are trusted"},
    {GROUP, .name = "strip-untrusted", .type = RP_OPTION_FLAG, .arg = "",
     .value = "on", FIELD(strip_untrusted),
     .help = "take such fields out of the requests of others"},
#undef GROUP
#define GROUP .group = RP_GROUP_WEBSOCKET
    {GROUP, .name = "ws", .type = RP_OPTION_FLAG, .arg = "", .value = "on",
     FIELD(ws), .help = "serve WebSockets; without it a handshake is a "
                        "request like any other"},
    {GROUP, .name = "ws-max-size", .type = RP_OPTION_SIZE, .arg = "SIZE",
     .value = "1m", .max = 1 << 30, FIELD(wsock.limits.message),
     .help = "a message, decompressed; over it 1009; 0 is no limit"},
    {GROUP, .name = "ws-max-queue", .type = RP_OPTION_INTEGER, .arg = "N",
     .value = "32", .max = 1 << 20, FIELD(ws_max_queue),
     .help = "messages that wait for the application; then nothing is read "
             "from the client; 0 is no limit"},
    {GROUP, .name = "ws-max-fragments", .type = RP_OPTION_INTEGER,
     .arg = "N", .value = "1024", .max = 1 << 20, FIELD(ws_max_fragments),
     .help = "fragments of a message; over it 1008; 0 is no limit"},
    {GROUP, .name = "ws-ping-interval", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "20s", FIELD(wsock.ping_interval),
     .help = "between two pings; 0 sends none"},
    {GROUP, .name = "ws-ping-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "20s", FIELD(wsock.ping_timeout),
     .help = "from a ping to its pong; over it 1011"},
    {GROUP, .name = "ws-idle-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "0", FIELD(wsock.idle_timeout),
     .help = "without a message in either direction; over it 1001"},
    {GROUP, .name = "ws-max-lifetime", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "0", FIELD(wsock.max_lifetime),
     .help = "of a WebSocket; over it 1001"},
    {GROUP, .name = "ws-handshake-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "10s", FIELD(wsock.handshake_timeout),
     .help = "until the application has accepted or denied; over it 503"},
    {GROUP, .name = "ws-close-timeout", .type = RP_OPTION_DURATION,
     .arg = "DUR", .value = "10s", FIELD(wsock.close_timeout),
     .help = "for the client's answer to a close frame"},
    {GROUP, .name = "ws-per-message-deflate", .type = RP_OPTION_FLAG,
     .arg = "", .value = "off", FIELD(wsock.deflate.on),
     .help = "compress messages for clients that can (RFC 7692)"},
    {GROUP, .name = "ws-compression-window", .type = RP_OPTION_INTEGER,
     .arg = "BITS", .value = "12", .min = 9, .max = 15, FIELD(ws_window),
     .help = "of a compressed WebSocket, each way: 2^BITS bytes and more"},
    {GROUP, .name = "ws-send-buffer", .type = RP_OPTION_SIZE, .arg = "SIZE",
     .value = "1m", .max = 1 << 30, FIELD(wsock.send_buffer),
     .help = "what may wait for a slow client; over it 1013; 0 is no limit"},
#undef GROUP
#define GROUP .group = RP_GROUP_LOGGING
    {GROUP, .name = "log-level", .type = RP_OPTION_ENUM, .arg = "LEVEL",
     .value = "info", .choices = "trace debug info warning error critical",
     FIELD(log_level),
     .help = "trace, debug, info, warning, error or critical"},
    {GROUP, .name = "log-file", .type = RP_OPTION_STRING, .arg = "FILE",
     .value = "-", .shown = "stderr", FIELD(log_file),
     .aliases = "error-logfile error-log",
     .help = "where the server's own log goes; - is stderr"},
    {GROUP, .name = "log-format", .type = RP_OPTION_ENUM, .arg = "FORMAT",
     .value = "text", .choices = "text json", FIELD(log_format),
     .help = "of the server's own log: text or json"},
    {GROUP, .name = "log-syslog", .type = RP_OPTION_LOGFILE,
     .arg = "[=ADDR]", .shown = "off", FIELD(log_syslog),
     .help = "send it to syslog too: /dev/log, unix:PATH or HOST:PORT"},
    {GROUP, .name = "log-syslog-facility", .type = RP_OPTION_STRING,
     .arg = "NAME", .value = "daemon", FIELD(log_syslog_facility),
     .help = "daemon, user, local0 and so on"},
    {GROUP, .name = "log-syslog-prefix", .type = RP_OPTION_STRING,
     .arg = "NAME", .value = "rupy-serve", FIELD(log_syslog_prefix),
     .help = "the program that syslog shows"},
    {GROUP, .name = "log-config", .type = RP_OPTION_STRING, .arg = "FILE",
     FIELD(log_config),
     .help = "set up Python's logging: dictConfig in JSON or TOML, or an INI "
             "file"},
    {GROUP, .name = "capture-output", .type = RP_OPTION_FLAG, .arg = "",
     .value = "off", FIELD(capture_output),
     .help = "stdout and stderr of the application go to --log-file"},
    {GROUP, .name = "access-log", .type = RP_OPTION_LOGFILE, .arg = "[=FILE]",
     FIELD(access_log), .shown = "off", .aliases = "access-logfile",
     .help = "a line per request; without FILE, or with -, on stdout"},
    {GROUP, .name = "access-log-format", .type = RP_OPTION_STRING,
     .arg = "FORMAT", .value = "combined",
     FIELD(access_log_format), .aliases = "access-logformat",
     .help = "combined, json, or a text with atoms such as %(h)s"},
    {GROUP, .name = "access-log-fields", .type = RP_OPTION_ADDRESSES,
     .arg = "NAME", FIELD(access_log_fields), .shown = "the usual ones",
     .help = "members of a json line; may be repeated"},
    {GROUP, .name = "access-log-skip", .type = RP_OPTION_LIST, .arg = "RULE",
     FIELD(access_log_skip),
     .help = "no line for requests such as /static/* or /health,2xx; may be "
             "repeated"},
    {GROUP, .name = "access-log-sample", .type = RP_OPTION_FRACTION,
     .arg = "SHARE", .value = "1", FIELD(access_log_sample),
     .help = "write this share of the lines, and all with a status of 5xx"},
    {GROUP, .name = "log-slow", .type = RP_OPTION_DURATION, .arg = "DUR",
     .value = "0", .shown = "off", FIELD(log_slow),
     .help = "warn of requests that take longer, and say where the time went"},
    {GROUP, .name = "request-id", .type = RP_OPTION_FLAG, .arg = "",
     .value = "off", FIELD(request_id),
     .help = "give every request an id, in X-Request-ID and in the logs"},
    {GROUP, .name = "trace-context", .type = RP_OPTION_FLAG, .arg = "",
     .value = "off", FIELD(trace_context),
     .help = "read traceparent (W3C) for the access log and the application"},
    {GROUP, .name = "metrics", .type = RP_OPTION_STRING, .arg = "ADDR",
     FIELD(metrics), .aliases = "metrics-address", .fixed = true,
     .help = "the master answers /metrics, /-/live, /-/ready and /-/status "
             "here"},
    {GROUP, .name = "control-socket", .type = RP_OPTION_LOGFILE,
     .arg = "[=PATH]", FIELD(control_socket), .value = "-", .fixed = true,
     .shown = "in $XDG_RUNTIME_DIR or /run/rupy-serve",
     .help = "the socket of rupy-serve ctl; --no-control-socket for none"},
    {GROUP, .name = "debug", .type = RP_OPTION_FLAG, .arg = "",
     .value = "off", FIELD(debug), .aliases = "dev",
     .help = "show tracebacks in answers; never where strangers can see them"},
#undef GROUP
#define GROUP .group = RP_GROUP_MODES
    {GROUP, .name = "config", .letter = 'c', .type = RP_OPTION_STRING,
     .arg = "FILE", FIELD(config), .fixed = true,
     .shown = "rupy-serve.toml, or pyproject.toml",
     .help = "read options from a TOML file"},
#undef GROUP
#define GROUP .group = RP_GROUP_MODES, .type = RP_OPTION_ACTION
    {GROUP, .name = "check-config", .arg = "",
     .help = "say whether the options are right, and exit"},
    {GROUP, .name = "print-config", .arg = "[toml|json]",
     .help = "print every option with its value and source, and exit"},
    {GROUP, .name = "version", .letter = 'v', .arg = "",
     .help = "print versions, and exit"},
    {GROUP, .name = "help", .letter = 'h', .arg = "[GROUP]",
     .help = "print this, or the options of one group, and exit"},
#undef GROUP
};
/* clang-format on */

enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };
_Static_assert((int)N_OPTIONS <= (int)RP_MAX_OPTIONS, "sources[] is too short");

static const char *const group_names[RP_N_GROUPS] = {
    [RP_GROUP_APPLICATION] = "application",
    [RP_GROUP_SOCKETS] = "sockets",
    [RP_GROUP_PROCESSES] = "processes",
    [RP_GROUP_HTTP] = "http",
    [RP_GROUP_PROXY] = "proxy",
    [RP_GROUP_WEBSOCKET] = "websocket",
    [RP_GROUP_LOGGING] = "logging",
    [RP_GROUP_MODES] = "modes",
};

unsigned
rp_option_count(void)
{
    return N_OPTIONS;
}

const struct rp_option *
rp_option_at(unsigned i)
{
    return &options[i];
}

unsigned
rp_option_index(const struct rp_option *o)
{
    return (unsigned)(o - options);
}

const char *
rp_option_group_name(enum rp_option_group g)
{
    return group_names[g];
}

int
rp_option_group_find(struct rp_str name)
{
    for (int g = 0; g < RP_N_GROUPS; g++) {
        struct rp_str s = {group_names[g], strlen(group_names[g])};
        if (rp_str_ieq(s, name))
            return g;
    }
    return -1;
}

/* The next word of a text such as "pid-file pidfile"; {NULL, 0} at the end. */
static struct rp_str
next_word(const char **text)
{
    struct rp_str s = {*text, 0};

    if (s.p == NULL || *s.p == '\0')
        return (struct rp_str){NULL, 0};
    s.n = strcspn(s.p, " ");
    *text = s.p + s.n + (s.p[s.n] == ' ');
    return s;
}

static bool
is_named(struct rp_str name, const char *p, size_t n)
{
    if (name.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (p[i] != (name.p[i] == '_' ? '-' : name.p[i]))
            return false;
    return true;
}

const struct rp_option *
rp_option_find(struct rp_str name)
{
    for (unsigned i = 0; i < N_OPTIONS; i++) {
        const struct rp_option *o = &options[i];
        if (is_named(name, o->name, strlen(o->name)))
            return o;
        const char *rest = o->aliases;
        for (struct rp_str a; (a = next_word(&rest)).n > 0;)
            if (is_named(name, a.p, a.n))
                return o;
    }
    return NULL;
}

const struct rp_option *
rp_option_find_letter(char letter)
{
    for (unsigned i = 0; i < N_OPTIONS; i++)
        if (options[i].letter != 0 && options[i].letter == letter)
            return &options[i];
    return NULL;
}

enum { SUGGEST_MAX = 40 }; /* longer names than this are not guessed at */

/* How many letters must be put in, taken out, changed or swapped with their
 * neighbour to make b of a. */
static unsigned
edit_distance(struct rp_str a, const char *b, size_t bn)
{
    unsigned rows[3][SUGGEST_MAX + 1];
    unsigned *two = rows[0], *one = rows[1], *now = rows[2];

    for (size_t j = 0; j <= bn; j++)
        one[j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= bn; j++) {
            unsigned best = one[j - 1] + (a.p[i - 1] != b[j - 1]);
            if (one[j] + 1 < best)
                best = one[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.p[i - 1] == b[j - 2] &&
                a.p[i - 2] == b[j - 1] && two[j - 2] + 1 < best)
                best = two[j - 2] + 1;
            now[j] = best;
        }
        unsigned *spare = two;
        two = one;
        one = now;
        now = spare;
    }
    return one[bn];
}

/* The beginning of a name is near, whatever is missing behind it. */
static unsigned
distance(struct rp_str name, const char *p, size_t n)
{
    if (n > SUGGEST_MAX)
        return UINT32_MAX;
    if (name.n >= 3 && name.n < n && memcmp(p, name.p, name.n) == 0)
        return 1;
    return edit_distance(name, p, n);
}

const char *
rp_option_suggest(struct rp_str name)
{
    char copy[SUGGEST_MAX];
    const char *found = NULL;
    unsigned best = 3;

    if (name.n == 0 || name.n > SUGGEST_MAX)
        return NULL;
    for (size_t i = 0; i < name.n; i++) {
        char ch = (char)tolower((unsigned char)name.p[i]);
        copy[i] = ch == '_' ? '-' : ch;
    }
    name.p = copy;
    if (name.n < 5)
        best = 2;
    for (unsigned i = 0; i < N_OPTIONS; i++) {
        const struct rp_option *o = &options[i];
        unsigned d = distance(name, o->name, strlen(o->name));
        const char *rest = o->aliases;
        for (struct rp_str a; (a = next_word(&rest)).n > 0;) {
            unsigned alias = distance(name, a.p, a.n);
            if (alias < d)
                d = alias;
        }
        if (d < best) {
            best = d;
            found = o->name;
        }
    }
    return found;
}

void
rp_option_env_name(const struct rp_option *o, char *out, size_t n)
{
    snprintf(out, n, "RUPY_SERVE_%s", o->name);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}
