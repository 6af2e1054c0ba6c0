/* tree.h -- a folder with everything in it that a URL might be about. */
#ifndef TREE_H
#define TREE_H

/* Make it in a new temporary folder, and return its path, which ends in
 * "/root"; beside root lies "secret".  A failure ends the test. */
const char *tree_make(void);
void tree_remove(void);
/* Write a file below the folder (or "../name"), with that modification time;
 * 0: now. */
void tree_write(const char *name, const char *text, long mtime);
/* The path of a name below the folder; good until the next call. */
const char *tree_path(const char *name);

#endif
