#include "tree.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char top[64], root[80], path[512];

const char *
tree_path(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

void
tree_write(const char *name, const char *text, long mtime)
{
    struct timespec times[2] = {{mtime, 0}, {mtime, 0}};
    FILE *f = fopen(tree_path(name), "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    if (mtime)
        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
folder(const char *name)
{
    ck_assert_int_eq(mkdir(tree_path(name), 0755), 0);
}

static void
make_link(const char *target, const char *name)
{
    ck_assert_int_eq(symlink(target, tree_path(name)), 0);
}

static void
make_socket(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strncpy(a.sun_path, tree_path(name), sizeof(a.sun_path) - 1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    close(fd);
}

const char *
tree_make(void)
{
    strcpy(top, "/tmp/rupy-files-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(root, sizeof(root), "%s/root", top);
    folder("");
    folder("sub");
    folder("sub/deep");
    folder(".git");
    tree_write("a.txt", "alpha", 0);
    tree_write(".env", "password", 0);
    tree_write(".git/config", "private", 0);
    tree_write("sub/b.txt", "beta", 0);
    tree_write("sub/deep/c.txt", "gamma", 0);
    tree_write("per%cent", "percent", 0);
    tree_write("back\\slash", "backslash", 0);
    tree_write("../secret", "secret", 0);
    make_link("a.txt", "link");
    make_link("sub/deep", "dirlink");
    make_link("../a.txt", "sub/uplink");
    make_link("../../link", "sub/deep/chain");
    make_link("../secret", "out");
    make_link("sub/../../secret", "out2");
    make_link("/etc/passwd", "absolute");
    make_link(root, "rootlink"); /* absolute, though it leads inside */
    make_link("loop2", "loop");
    make_link("loop", "loop2");
    make_link("nowhere", "dangling");
    make_link("/proc/self/root/etc/passwd", "magic");
    ck_assert_int_eq(mkfifo(tree_path("fifo"), 0644), 0);
    make_socket("sock");
    return root;
}

static int
remove_one(const char *p, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(p);
}

void
tree_remove(void)
{
    nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
