/* --workers auto: affinity and control groups, read from a made-up root. */
#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"
#include "rupy/serve/cpus.h"

static char root[64];

static void
set_up(void)
{
    snprintf(root, sizeof(root), "/tmp/rupy-cpus.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static int
remove_entry(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    return remove(path);
}

static void
tear_down(void)
{
    nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file below the root, with the folders on its way. */
static void
put(const char *name, const char *content)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s%s", root, name);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(content, f);
    fclose(f);
}

#define V2_MOUNT                                                               \
    "25 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"

START_TEST(the_lesser_is_taken_and_rounded_up)
{
    ck_assert_int_eq(rp_cpus_combine(8, 0), 8);
    ck_assert_int_eq(rp_cpus_combine(8, 0.5), 1);
    ck_assert_int_eq(rp_cpus_combine(8, 1), 1);
    ck_assert_int_eq(rp_cpus_combine(8, 1.5), 2);
    ck_assert_int_eq(rp_cpus_combine(8, 7.01), 8);
    ck_assert_int_eq(rp_cpus_combine(2, 64), 2);
    ck_assert_int_ge(rp_cpus_affinity(), 1);
}
END_TEST

START_TEST(without_control_groups_affinity_counts)
{
    ck_assert(rp_cpus_quota(root) == 0);
    ck_assert_int_eq(rp_workers_auto(root), rp_cpus_affinity());
}
END_TEST

START_TEST(v2_in_a_container_of_its_own)
{
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo",
        "20 1 0:3 / /proc rw - proc proc rw\n" V2_MOUNT);
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    ck_assert(rp_cpus_quota(root) == 0.5);
    ck_assert_int_eq(rp_workers_auto(root), 1);
}
END_TEST

START_TEST(v2_without_a_limit)
{
    put("/proc/self/cgroup", "0::/a\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
    ck_assert(rp_cpus_quota(root) == 0);
}
END_TEST

START_TEST(v2_the_least_on_the_way_up_counts)
{
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
    ck_assert(rp_cpus_quota(root) == 2.5);
}
END_TEST

START_TEST(v1_quota_and_period)
{
    put("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/a\n0::/x\n");
    put("/proc/self/mountinfo",
        "31 1 0:9 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "32 1 0:9 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    ck_assert(rp_cpus_quota(root) == 0);
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    ck_assert(rp_cpus_quota(root) == 3);
}
END_TEST

START_TEST(a_container_that_sees_the_names_of_the_host)
{
    put("/proc/self/cgroup", "3:cpu:/docker/abc/sub\n");
    put("/proc/self/mountinfo", "32 1 0:9 /docker/abc /sys/fs/cgroup/cpu rw - "
                                "cgroup cgroup rw,cpu\n");
    put("/sys/fs/cgroup/cpu/sub/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu/sub/cpu.cfs_period_us", "100000\n");
    ck_assert(rp_cpus_quota(root) == 1.5);
}
END_TEST

START_TEST(a_group_that_is_not_mounted_leaves_the_mount_point)
{
    put("/proc/self/cgroup", "0::/../elsewhere\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    ck_assert(rp_cpus_quota(root) == 2);
}
END_TEST

START_TEST(nonsense_is_no_limit)
{
    put("/proc/self/cgroup", "0::/\nnonsense\n:::\n");
    put("/proc/self/mountinfo", "nonsense\n - cgroup2\n" V2_MOUNT);
    put("/sys/fs/cgroup/cpu.max", "\n");
    ck_assert(rp_cpus_quota(root) == 0);
    put("/sys/fs/cgroup/cpu.max", "100000 0\n");
    ck_assert(rp_cpus_quota(root) == 0);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("workers auto");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_lesser_is_taken_and_rounded_up);
    tcase_add_test(t, without_control_groups_affinity_counts);
    tcase_add_test(t, v2_in_a_container_of_its_own);
    tcase_add_test(t, v2_without_a_limit);
    tcase_add_test(t, v2_the_least_on_the_way_up_counts);
    tcase_add_test(t, v1_quota_and_period);
    tcase_add_test(t, a_container_that_sees_the_names_of_the_host);
    tcase_add_test(t, a_group_that_is_not_mounted_leaves_the_mount_point);
    tcase_add_test(t, nonsense_is_no_limit);
    return run_tests("workers auto", t);
}
