/* A full disk, for one process: preloaded, it makes every file system report one free block. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/statvfs.h>

int statvfs(const char *path, struct statvfs *found)
{
    static int (*real)(const char *, struct statvfs *);
    if (!real) real = (int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs");
    int failed = real(path, found);
    if (!failed) found->f_bavail = found->f_bfree = 1;
    return failed;
}

int statvfs64(const char *path, struct statvfs64 *found)
{
    static int (*real)(const char *, struct statvfs64 *);
    if (!real) real = (int (*)(const char *, struct statvfs64 *))dlsym(RTLD_NEXT, "statvfs64");
    int failed = real(path, found);
    if (!failed) found->f_bavail = found->f_bfree = 1;
    return failed;
}
