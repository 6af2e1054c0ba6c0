/* run.h -- the end of main() of a unit test. */
#ifndef RUPY_TESTS_RUN_H
#define RUPY_TESTS_RUN_H

#include <check.h>

/* Run the tests, of a suite of that name; the exit status of the program. */
int run_tests(const char *name, TCase *tests);

#endif
