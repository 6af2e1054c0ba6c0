/* identity.c -- root gives itself up. */
#include "rupy/serve/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROUPS_MAX = 65536, ENTRY_MAX = 16384 };

/* A name that is a number is one. */
static bool
to_id(const char *text, unsigned *out)
{
    uint64_t v;

    if (rp_str_to_u64((struct rp_str){text, strlen(text)}, &v) < 0 ||
        v >= UINT32_MAX)
        return false;
    *out = (unsigned)v;
    return true;
}

/* All groups of a user; without a name there is only one. */
static int
find_groups(struct rp_identity *id, const char *name)
{
    int n = 64;

    if (!name) {
        id->groups = malloc(sizeof(*id->groups));
        if (!id->groups)
            return -1;
        id->groups[0] = id->gid;
        id->ngroups = 1;
        return 0;
    }
    for (; n <= GROUPS_MAX; n *= 2) {
        gid_t *groups = realloc(id->groups, (size_t)n * sizeof(*groups));
        if (!groups)
            return -1;
        id->groups = groups;
        id->ngroups = n;
        if (getgrouplist(name, id->gid, groups, &id->ngroups) >= 0)
            return 0;
    }
    errno = E2BIG;
    return -1;
}

static int
find_user(struct rp_identity *id, const struct rp_config *c, char *error,
          size_t n)
{
    struct passwd entry, *pw = NULL;
    char text[ENTRY_MAX];
    unsigned number;

    if (to_id(c->user, &number)) {
        id->uid = (uid_t)number;
        if (getpwuid_r(id->uid, &entry, text, sizeof(text), &pw) != 0)
            pw = NULL;
    } else {
        if (getpwnam_r(c->user, &entry, text, sizeof(text), &pw) != 0 || !pw)
            return rp_fail(error, n, "--user: there is no user %s", c->user);
        id->uid = pw->pw_uid;
    }
    if (pw && !id->changes_group)
        id->gid = pw->pw_gid;
    else if (!id->changes_group)
        return rp_fail(error, n,
                       "--user: %s has no entry in passwd: say --group",
                       c->user);
    id->changes_user = id->changes_group = true;
    if (find_groups(id, pw && c->initgroups ? pw->pw_name : NULL) < 0)
        return rp_fail(error, n, "--user: groups of %s: %s", c->user,
                       strerror(errno));
    return 0;
}

static int
find_group(struct rp_identity *id, const struct rp_config *c, char *error,
           size_t n)
{
    struct group entry, *gr = NULL;
    char text[ENTRY_MAX];
    unsigned number;

    id->changes_group = true;
    if (to_id(c->group, &number)) {
        id->gid = (gid_t)number;
        return 0;
    }
    if (getgrnam_r(c->group, &entry, text, sizeof(text), &gr) != 0 || !gr)
        return rp_fail(error, n, "--group: there is no group %s", c->group);
    id->gid = gr->gr_gid;
    return 0;
}

/* --uds-owner: who is only looked up now. */
static int
find_owner(struct rp_identity *id, const char *text, char *error, size_t n)
{
    const char *colon = strchrnul(text, ':');
    const char *group = *colon == ':' ? colon + 1 : "";
    struct rp_str user = {text, (size_t)(colon - text)};
    char name[256], entry[ENTRY_MAX];
    struct passwd pw, *is_user = NULL;
    struct group gr, *is_group = NULL;
    unsigned number;

    if (user.n >= sizeof(name) || (user.n == 0 && *group == '\0'))
        return rp_fail(error, n, "--uds-owner: '%s' is not USER:GROUP", text);
    memcpy(name, user.p, user.n);
    name[user.n] = '\0';
    if (user.n > 0 && to_id(name, &number))
        id->socket_uid = (uid_t)number;
    else if (user.n > 0) {
        if (getpwnam_r(name, &pw, entry, sizeof(entry), &is_user) != 0 ||
            !is_user)
            return rp_fail(error, n, "--uds-owner: there is no user %s", name);
        id->socket_uid = pw.pw_uid;
    }
    if (*group != '\0' && to_id(group, &number))
        id->socket_gid = (gid_t)number;
    else if (*group != '\0') {
        if (getgrnam_r(group, &gr, entry, sizeof(entry), &is_group) != 0 ||
            !is_group)
            return rp_fail(error, n, "--uds-owner: there is no group %s",
                           group);
        id->socket_gid = gr.gr_gid;
    }
    return 0;
}

int
rp_identity_init(struct rp_identity *id, const struct rp_config *c, char *error,
                 size_t n)
{
    bool is_root = geteuid() == 0;

    *id = (struct rp_identity){.uid = geteuid(),
                               .gid = getegid(),
                               .socket_uid = (uid_t)-1,
                               .socket_gid = (gid_t)-1,
                               .root = -1};
    if (c->uds_owner && find_owner(id, c->uds_owner, error, n) < 0)
        return -1;
    if (c->group && find_group(id, c, error, n) < 0)
        return -1;
    if (c->user && find_user(id, c, error, n) < 0)
        return -1;
    if (c->group && !c->user && is_root && find_groups(id, NULL) < 0)
        return rp_fail(error, n, "--group: %s", strerror(errno));
    if (!is_root && (id->uid != geteuid() || id->gid != getegid()))
        return rp_fail(error, n,
                       "--%s: only root can become somebody else; start it as "
                       "root, or leave the option out",
                       id->uid != geteuid() ? "user" : "group");
    /* Nothing to change: a unit that says User= may say --user as well. */
    if (!is_root)
        id->changes_user = id->changes_group = false;
    if (!c->chroot)
        return 0;
    if (!is_root)
        return rp_fail(error, n, "--chroot: only root can do that");
    id->root = open(c->chroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (id->root < 0)
        return rp_fail(error, n, "--chroot: %s: %s", c->chroot,
                       strerror(errno));
    return 0;
}

void
rp_identity_fini(struct rp_identity *id)
{
    free(id->groups);
    id->groups = NULL;
    if (id->root >= 0)
        close(id->root);
    id->root = -1;
}

int
rp_identity_own(const struct rp_identity *id, const char *path)
{
    if ((!id->changes_user && !id->changes_group) || path[0] == '@')
        return 0;
    return lchown(path, id->uid, id->gid);
}

int
rp_identity_own_socket(const struct rp_identity *id, const char *path)
{
    uid_t uid = id->socket_uid;
    gid_t gid = id->socket_gid;

    if (uid == (uid_t)-1 && id->changes_user)
        uid = id->uid;
    if (gid == (gid_t)-1 && id->changes_group)
        gid = id->gid;
    if ((uid == (uid_t)-1 && gid == (gid_t)-1) || path[0] == '@')
        return 0;
    return lchown(path, uid, gid);
}

int
rp_identity_own_fd(const struct rp_identity *id, int fd)
{
    struct stat st;

    /* A terminal or a pipe is the parent's. */
    if ((!id->changes_user && !id->changes_group) || fd <= STDERR_FILENO ||
        fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    return fchown(fd, id->uid, id->gid);
}

/* 0, or -1 and errno. */
static int
enter_root(const struct rp_identity *id)
{
    if (id->root < 0)
        return 0;
    if (fchdir(id->root) < 0 || chroot(".") < 0)
        return -1;
    return chdir("/");
}

static bool
is_for_good(const struct rp_identity *id)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;

    if (getresuid(&r, &e, &s) < 0 || getresgid(&gr, &ge, &gs) < 0)
        return false;
    if (gr != id->gid || ge != id->gid || gs != id->gid || r != id->uid ||
        e != id->uid || s != id->uid)
        return false;
    return id->uid == 0 || (setuid(0) < 0 && seteuid(0) < 0);
}

int
rp_identity_enter(const struct rp_identity *id)
{
    const char *what = "--chroot";

    if (enter_root(id) < 0)
        goto fail;
    /* Groups first: who is no root any more may not change them. */
    what = "--group";
    if (id->changes_group && (setgroups((size_t)id->ngroups, id->groups) < 0 ||
                              setresgid(id->gid, id->gid, id->gid) < 0))
        goto fail;
    what = "--user";
    if (id->changes_user && setresuid(id->uid, id->uid, id->uid) < 0)
        goto fail;
    if ((id->changes_user || id->changes_group) && !is_for_good(id)) {
        errno = EPERM;
        goto fail;
    }
    return 0;

fail:
    rp_log_errno(RP_LOG_CRITICAL, "%s cannot be entered", what);
    return -1;
}
