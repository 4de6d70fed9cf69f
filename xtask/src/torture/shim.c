/* Stands between a program and the system, by LD_PRELOAD: numbers the calls that change files below one
 * folder, and kills the program at one of them, makes one fail, or writes all of them down.
 *
 * It allocates nothing and keeps no table of descriptors: their paths are asked of the system. Syncs are only
 * noted, not done, since no power is cut: a killed program's writes stay with the system.
 *
 *   TORTURE_UNDER   the folder; without it nothing is done
 *   TORTURE_LOG     a file to which every such call is appended, with its data, and all standard output
 *   TORTURE_KILL    the number of the call before which the program is killed
 *   TORTURE_TORN    if 1, half of what that call would write is written first
 *   TORTURE_FAIL    the number of the call that fails
 *   TORTURE_ERRNO   with which number; with ENOSPC all that needs room fails from there on
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define LONGEST 4096

/* One entry of the log; the paths and the data follow it. */
struct entry {
    uint8_t mark[4];
    uint32_t number;
    uint64_t inode, offset;
    uint32_t path, other, data, error;
    uint8_t call, failed, pad[6];
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char under[LONGEST];
static size_t under_length;
static int log_to = -1, torn, error_wanted;
static unsigned long count, kill_at, fail_at;

static unsigned long number(const char *name) {
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("TORTURE_UNDER"), *log = getenv("TORTURE_LOG");
    if (!folder || strlen(folder) >= LONGEST) return;
    kill_at = number("TORTURE_KILL"), fail_at = number("TORTURE_FAIL");
    torn = (int)number("TORTURE_TORN"), error_wanted = (int)number("TORTURE_ERRNO");
    if (log) {
        int at = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        log_to = fcntl(at, F_DUPFD_CLOEXEC, 900);
        syscall(SYS_close, at);
    }
    strcpy(under, folder);
    under_length = strlen(under);
}

static int is_below(const char *path) {
    return under_length && !strncmp(path, under, under_length)
        && (path[under_length] == '/' || path[under_length] == 0);
}

/* The path of a descriptor; 0 if it is none of ours. */
static int path_of(int fd, char *path) {
    char link[64];
    if (!under_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, LONGEST - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0 && is_below(path);
}

/* The whole path of a name; 0 if it is none of ours. */
static int path_at(int folder, const char *name, char *path) {
    size_t length = 0;
    if (!under_length || !name) return 0;
    if (name[0] != '/') {
        char link[64] = "/proc/self/cwd";
        if (folder != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t read = syscall(SYS_readlinkat, AT_FDCWD, link, path, LONGEST - 2);
        if (read <= 0) return 0;
        length = (size_t)read;
        path[length++] = '/';
    }
    while (!strncmp(name, "./", 2)) name += 2;
    if (length + strlen(name) >= LONGEST) return 0;
    strcpy(path + length, name);
    return is_below(path);
}

static uint64_t inode_at(const char *path) {
    struct stat found;
    return fstatat(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) ? 0 : found.st_ino;
}

/* Appends a call to the log; of one that failed, `call` is 'f', and `failed` says which it was. */
static void note(uint8_t call, uint8_t failed, unsigned long at, const char *path, const char *other,
                 uint64_t inode, uint64_t offset, const void *data, size_t length, int error) {
    if (log_to < 0) return;
    struct entry entry = {{'O', 'I', 'K', 'T'}, (uint32_t)at, inode, offset, (uint32_t)strlen(path),
                          (uint32_t)strlen(other), (uint32_t)length, (uint32_t)error, call, failed, {0}};
    struct iovec parts[4] = {{&entry, sizeof entry}, {(void *)path, entry.path}, {(void *)other, entry.other},
                             {(void *)data, length}};
    size_t whole = sizeof entry + entry.path + entry.other + length;
    if (syscall(SYS_writev, log_to, parts, 4) != (long)whole) abort();
}

/* Numbers a call. Returns its error; 0 if it is to be done. Only calls that need room fail for want of it. */
static int admit(int needs_room, unsigned long *at, int is_write) {
    *at = ++count;
    if (kill_at && *at == kill_at && !(torn && is_write)) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    if (!fail_at) return 0;
    if (error_wanted == ENOSPC) return *at >= fail_at && needs_room ? ENOSPC : 0;
    return *at == fail_at ? error_wanted : 0;
}

static long failed(int error) {
    errno = error;
    return -1;
}

/* A write at a place, or where the descriptor stands if `offset` is negative. */
static ssize_t put(int fd, const void *data, size_t length, off_t offset) {
    char path[LONGEST];
    unsigned long at = 0;
    int is_output = fd == 1 && under_length && log_to >= 0;
    if (!is_output && !path_of(fd, path)) {
        return offset < 0 ? syscall(SYS_write, fd, data, length)
                          : syscall(SYS_pwrite64, fd, data, length, offset);
    }
    pthread_mutex_lock(&turn);
    ssize_t done;
    if (is_output) {
        /* It is noted before anybody can have read it: what it tells must be sure by then. */
        note('o', 0, 0, "", "", 0, 0, data, length, 0);
        pthread_mutex_unlock(&turn);
        return syscall(SYS_write, fd, data, length);
    }
    struct stat found;
    fstat(fd, &found);
    int error = admit(1, &at, 1);
    off_t place = offset;
    if (offset < 0) {
        place = fcntl(fd, F_GETFL) & O_APPEND ? found.st_size : lseek(fd, 0, SEEK_CUR);
    }
    int dies = kill_at && at == kill_at;
    /* A disk that fills up takes what it has room for. */
    size_t some = dies || (error == ENOSPC && at == fail_at && length > 1) ? length / 2 : length;
    if (error && !(error == ENOSPC && some < length)) {
        done = failed(error);
        note('f', 'w', at, path, "", found.st_ino, (uint64_t)place, "", 0, error);
    } else {
        done = offset < 0 ? syscall(SYS_write, fd, data, some) : syscall(SYS_pwrite64, fd, data, some, offset);
        if (done > 0) note('w', 0, at, path, "", found.st_ino, (uint64_t)place, data, (size_t)done, error);
    }
    if (dies) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    int kept = errno;
    pthread_mutex_unlock(&turn);
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *data, size_t length) { return put(fd, data, length, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return put(fd, data, length, at); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) { return put(fd, data, length, at); }

/* One part of a vector is a write that was cut short, which every caller must bear. */
ssize_t writev(int fd, const struct iovec *parts, int amount) {
    char path[LONGEST];
    if (!(fd == 1 && under_length && log_to >= 0) && !path_of(fd, path)) {
        return syscall(SYS_writev, fd, parts, amount);
    }
    for (int part = 0; part < amount; part++) {
        if (parts[part].iov_len) return put(fd, parts[part].iov_base, parts[part].iov_len, -1);
    }
    return 0;
}

/* A call that changes one name or one file: numbers it, does it, notes it. */
#define CHANGE(call_, path_, other_, inode_, offset_, room_, done_)                                            \
    pthread_mutex_lock(&turn);                                                                                 \
    unsigned long at;                                                                                          \
    int error = admit(room_, &at, 0);                                                                          \
    uint64_t inode = inode_;                                                                                   \
    long done = error ? failed(error) : (done_);                                                               \
    int kept = errno;                                                                                          \
    if (error) note('f', call_, at, path_, other_, inode, offset_, "", 0, error);                                     \
    else if (done >= 0) note(call_, 0, at, path_, other_, inode ? inode : inode_, offset_, "", 0, 0);             \
    pthread_mutex_unlock(&turn);                                                                               \
    errno = kept;                                                                                              \
    return (int)done

static int is_there(const char *path) {
    struct stat found;
    return !fstatat(AT_FDCWD, path, &found, 0);
}

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char path[LONGEST];
    int kept_errno = errno;
    int ours = (flags & (O_CREAT | O_TRUNC)) && path_at(folder, name, path);
    int there = ours && is_there(path);
    errno = kept_errno;
    if (!ours || (there && !(flags & O_TRUNC))) return (int)syscall(SYS_openat, folder, name, flags, mode);
    CHANGE(there ? 't' : 'c', path, "", inode_at(path), 0, !there, syscall(SYS_openat, folder, name, flags, mode));
}

#define MODE(flags)                                                                                            \
    mode_t mode = 0;                                                                                           \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                     \
        va_list rest;                                                                                          \
        va_start(rest, flags);                                                                                 \
        mode = va_arg(rest, mode_t);                                                                           \
        va_end(rest);                                                                                          \
    }

int open(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return open_at(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return open_at(folder, name, flags, mode); }
int creat(const char *name, mode_t mode) { return open_at(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static int sync_of(int fd, int call) {
    char path[LONGEST];
    struct stat found;
    if (!path_of(fd, path)) return (int)syscall(call, fd);
    fstat(fd, &found);
    CHANGE('s', path, "", found.st_ino, 0, 1, 0);
}

int fsync(int fd) { return sync_of(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_of(fd, SYS_fdatasync); }

static int cut(int fd, off_t length) {
    char path[LONGEST];
    struct stat found;
    if (!path_of(fd, path)) return (int)syscall(SYS_ftruncate, fd, length);
    fstat(fd, &found);
    CHANGE('t', path, "", found.st_ino, (uint64_t)length, length > found.st_size, syscall(SYS_ftruncate, fd, length));
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

static int reserve(int fd, int mode, off_t offset, off_t length) {
    char path[LONGEST];
    struct stat found;
    if (!path_of(fd, path)) return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    fstat(fd, &found);
    off_t end = offset + length > found.st_size ? offset + length : found.st_size;
    CHANGE('t', path, "", found.st_ino, (uint64_t)end, 1, syscall(SYS_fallocate, fd, mode, offset, length));
}

int fallocate(int fd, int mode, off_t offset, off_t length) { return reserve(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return reserve(fd, mode, offset, length); }
int posix_fallocate(int fd, off_t offset, off_t length) { return reserve(fd, 0, offset, length) ? errno : 0; }
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return reserve(fd, 0, offset, length) ? errno : 0; }

int unlinkat(int folder, const char *name, int flags) {
    char path[LONGEST];
    if (!path_at(folder, name, path) || !inode_at(path)) return (int)syscall(SYS_unlinkat, folder, name, flags);
    CHANGE('u', path, "", inode_at(path), 0, 0, syscall(SYS_unlinkat, folder, name, flags));
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags) {
    char path[LONGEST], other[LONGEST];
    int ours = path_at(from_folder, from, path) | path_at(to_folder, to, other);
    if (!ours || !inode_at(path)) return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    CHANGE('r', path, other, inode_at(path), flags, 0,
           syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renameat2(from_folder, from, to_folder, to, 0);
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    char path[LONGEST], other[LONGEST];
    int ours = path_at(from_folder, from, path) & path_at(to_folder, to, other);
    if (!ours) return (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
    CHANGE('l', path, other, inode_at(path), 0, 1, syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int mkdir(const char *name, mode_t mode) {
    char path[LONGEST];
    if (!path_at(AT_FDCWD, name, path)) return (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    CHANGE('m', path, "", inode_at(path), 0, 1, syscall(SYS_mkdirat, AT_FDCWD, name, mode));
}

/* The caller falls back on reading and writing. */
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t length, unsigned int flags) {
    char path[LONGEST];
    if (path_of(to, path)) return failed(ENOSYS);
    return syscall(SYS_copy_file_range, from, at, to, there, length, flags);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t length) {
    char path[LONGEST];
    if (path_of(to, path)) return failed(ENOSYS);
    return syscall(SYS_sendfile, to, from, at, length);
}
