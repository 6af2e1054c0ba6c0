/* mime.h -- the media type of a file, by the end of its name. */
#ifndef RUPY_FILES_MIME_H
#define RUPY_FILES_MIME_H

#include "rupy/base/str.h"

/* One that an application adds: "css" or "tar.gz", without the dot in front,
 * and its type. */
struct rp_mime {
    struct rp_str ext;
    struct rp_str type;
};

/* The value of Content-Type for path: by own[0..nown) first, then by the
 * table that is built in, in any case; text has its charset.
 * "application/octet-stream" when the name says nothing. */
struct rp_str rp_mime_find(struct rp_str path, const struct rp_mime *own,
                           size_t nown);

#endif
