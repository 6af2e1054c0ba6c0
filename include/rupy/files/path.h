/* path.h -- from what stands in a URL to an open file, and never out of the
 * folder that is served. */
#ifndef RUPY_FILES_PATH_H
#define RUPY_FILES_PATH_H

#include "rupy/base/str.h"

enum { RP_FILES_PATH_MAX = 4096 };

/* The path below the folder that `rest`, the part of a URL's path behind the
 * folder's own, stands for.  rest was decoded by rp_url_decode_route(), so
 * that %2F and %25 are still encoded.
 *
 * Refused, as nobody asks for them in good faith: empty, "." and ".."
 * segments, an encoded slash, a backslash, a NUL, what is longer than a path
 * may be; and, unless dot_files, segments that begin with a dot.
 *
 * Return the length of out, which ends in a NUL and neither begins nor ends
 * with a slash, or -1.  *is_dir: rest ended with one, or is empty. */
int rp_files_path(char out[RP_FILES_PATH_MAX], struct rp_str rest,
                  bool dot_files, bool *is_dir);

/* Open path ("" is the folder itself) for reading, without waiting for the
 * writer of a fifo.  Symbolic links are followed as long as they stay below
 * root; those that are absolute are refused wherever they lead.  *by_hand,
 * false at first, remembers that the kernel has no openat2(2).
 * Return a descriptor, or -1 and errno: EXDEV it would lead out. */
int rp_files_open(int root, const char *path, bool *by_hand);
/* The same without openat2(2), component by component. */
int rp_files_walk(int root, const char *path);

#endif
