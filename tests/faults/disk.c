/* A disk that can be asked to fail: a library to preload into a node (LD_PRELOAD).
 *
 * Of the files below FAULTS_FOLDER it writes down in FAULTS_LOG, in order, all that changes them and all that makes
 * changes durable; `tests/faults/images.py` rebuilds from that what a power cut leaves. FAULTS_CONTROL, a mapped file,
 * says how long a sync takes, and which error syncs and writes end with (struct control).
 *
 * A change is written down after it happened and before its caller hears of it; a sync twice, when it begins and when it
 * has succeeded: what was changed in between need not be on the disk. Reads and mapped memory are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES 65536
#define HEADER 36

enum { OPEN = 1, WRITE, SIZE, BEGIN, SYNCED, LOST, UNLINK, RENAME, MAKE };

struct control { uint32_t sync_ms, sync_error, write_error, spare; uint64_t syncs, failed; };

static struct { char *path; uint64_t id; } files[FILES];
static char folder[PATH_MAX];
static size_t folder_size;
static int log_to = -1;
static uint32_t counter;
static pid_t owner;
static struct control none, *control = &none;
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static void lock(void) { pthread_mutex_lock(&one); }
static void unlock(void) { pthread_mutex_unlock(&one); }
static void in_child(void) { pthread_mutex_init(&one, NULL); owner = getpid(); }

__attribute__((constructor)) static void begin(void) {
    const char *root = getenv("FAULTS_FOLDER"), *log = getenv("FAULTS_LOG"), *shared = getenv("FAULTS_CONTROL");
    owner = getpid();
    if (shared) {
        int at = open(shared, O_RDWR | O_CLOEXEC);
        void *mapped = at < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, at, 0);
        if (mapped != MAP_FAILED) control = mapped;
        if (at >= 0) close(at);
    }
    if (log) log_to = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (root && realpath(root, folder)) folder_size = strlen(folder);
    pthread_atfork(lock, unlock, in_child);
}

/* The log: magic, kind, id, two numbers, the size of what follows, and that. */

static void note(uint32_t kind, uint64_t id, int64_t a, int64_t b, const struct iovec *more, int parts) {
    if (log_to < 0) return;
    int saved = errno;
    unsigned char header[HEADER];
    struct iovec all[66];
    uint32_t magic = 0x4b534944, size = 0;
    for (int i = 0; i < parts; i++) size += (uint32_t)more[i].iov_len, all[i + 1] = more[i];
    memcpy(header, &magic, 4), memcpy(header + 4, &kind, 4), memcpy(header + 8, &id, 8);
    memcpy(header + 16, &a, 8), memcpy(header + 24, &b, 8), memcpy(header + 32, &size, 4);
    all[0].iov_base = header, all[0].iov_len = HEADER;
    static ssize_t (*put)(int, const struct iovec *, int);
    if (!put) put = (ssize_t (*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    /* A log with a hole would show a disk that never was. */
    if (put(log_to, all, parts + 1) != (ssize_t)(HEADER + size)) abort();
    errno = saved;
}

static void note_text(uint32_t kind, uint64_t id, int64_t a, int64_t b, const char *text, const char *other) {
    struct iovec parts[2] = {{(void *)text, strlen(text) + 1}, {(void *)(other ? other : ""), other ? strlen(other) : 0}};
    note(kind, id, a, b, parts, other ? 2 : 1);
}

static int inside(const char *path) {
    return folder_size && !strncmp(path, folder, folder_size) && (path[folder_size] == '/' || !path[folder_size]);
}

/* The absolute path of a name, by the folder it is in, which exists; false when it is none of ours. */
static int resolve(int at, const char *name, char *into) {
    char parent[PATH_MAX], real[PATH_MAX];
    if (!folder_size || !name || !*name) return 0;
    if (*name == '/' || at == AT_FDCWD) {
        if (strlen(name) >= PATH_MAX) return 0;
        strcpy(parent, name);
    } else {
        if (at < 0 || at >= FILES || !files[at].path || strlen(files[at].path) + strlen(name) + 2 >= PATH_MAX) return 0;
        strcpy(parent, files[at].path), strcat(parent, "/"), strcat(parent, name);
    }
    size_t size = strlen(parent);
    while (size > 1 && parent[size - 1] == '/') parent[--size] = 0;
    char *slash = strrchr(parent, '/');
    const char *last = slash ? slash + 1 : parent;
    int saved = errno;
    char *found = slash == parent ? strcpy(real, "") : slash ? (*slash = 0, realpath(parent, real)) : realpath(".", real);
    errno = saved;
    if (!found || strlen(real) + strlen(last) + 2 >= PATH_MAX) return 0;
    strcpy(into, real), strcat(into, "/"), strcat(into, last);
    return inside(into);
}

static uint64_t known(int file) { return file >= 0 && file < FILES && files[file].path ? files[file].id : 0; }

static void opened(int file, const char *path, int flags, mode_t mode) {
    if (file < 0 || file >= FILES) return;
    lock();
    free(files[file].path);
    files[file].path = strdup(path);
    files[file].id = (uint64_t)owner << 32 | ++counter;
    note_text(OPEN, files[file].id, flags, mode, path, NULL);
    unlock();
}

#define OPENED(symbol, call) \
    int symbol { \
        va_list more; \
        mode_t mode = 0; \
        if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) va_start(more, flags), mode = va_arg(more, mode_t), va_end(more); \
        char full[PATH_MAX]; \
        int ours = resolve(at, path, full), file = call; \
        if (ours && file >= 0) opened(file, full, flags, mode); \
        return file; \
    }

static int do_open(int at, const char *path, int flags, mode_t mode) {
    REAL(int, "openat64", int, const char *, int, ...);
    return real(at, path, flags, mode);
}
#define at AT_FDCWD
OPENED(open(const char *path, int flags, ...), do_open(AT_FDCWD, path, flags, mode))
OPENED(open64(const char *path, int flags, ...), do_open(AT_FDCWD, path, flags, mode))
#undef at
OPENED(openat(int at, const char *path, int flags, ...), do_open(at, path, flags, mode))
OPENED(openat64(int at, const char *path, int flags, ...), do_open(at, path, flags, mode))

int close(int file) {
    REAL(int, "close", int);
    /* Between vfork and exec the memory is the parent's, whose files stay open. */
    if (known(file) && getpid() == owner) {
        lock();
        free(files[file].path);
        files[file].path = NULL;
        unlock();
    }
    return real(file);
}

static int refused(void) {
    if (!control->write_error) return 0;
    errno = (int)control->write_error;
    return 1;
}

/* What changes a file happens under one lock with its note, so that the log has the file's order. */
#define CHANGED(type, file, call, remember) \
    uint64_t id = known(file); \
    if (!id) return call; \
    if (refused()) return -1; \
    lock(); \
    type done = call; \
    if (done >= 0) remember; \
    unlock(); \
    return done

static void written(uint64_t id, int64_t offset, const void *data, ssize_t size) {
    struct iovec part = {(void *)data, (size_t)size};
    note(WRITE, id, offset, 0, &part, 1);
}

static void written_parts(uint64_t id, int64_t offset, const struct iovec *parts, int count, ssize_t size) {
    for (int i = 0; i < count && size > 0; i++) {
        ssize_t some = size < (ssize_t)parts[i].iov_len ? size : (ssize_t)parts[i].iov_len;
        written(id, offset, parts[i].iov_base, some);
        offset += some, size -= some;
    }
}

ssize_t write(int file, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    CHANGED(ssize_t, file, real(file, data, size), written(id, lseek(file, 0, SEEK_CUR) - done, data, done));
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    CHANGED(ssize_t, file, real(file, parts, count), written_parts(id, lseek(file, 0, SEEK_CUR) - done, parts, count, done));
}

#define PWRITE(name) \
    ssize_t name(int file, const void *data, size_t size, off_t offset) { \
        REAL(ssize_t, #name, int, const void *, size_t, off_t); \
        CHANGED(ssize_t, file, real(file, data, size, offset), written(id, offset, data, done)); \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name) \
    ssize_t name(int file, const struct iovec *parts, int count, off_t offset) { \
        REAL(ssize_t, #name, int, const struct iovec *, int, off_t); \
        CHANGED(ssize_t, file, real(file, parts, count, offset), written_parts(id, offset, parts, count, done)); \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define TRUNCATE(name) \
    int name(int file, off_t size) { \
        REAL(int, #name, int, off_t); \
        CHANGED(int, file, real(file, size), note(SIZE, id, size, 0, NULL, 0)); \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

/* Room that was made is bytes of value 0: only a file that grew has changed. */
static void grown(int file, uint64_t id) {
    struct stat found;
    if (!fstat(file, &found)) note(SIZE, id, found.st_size, 0, NULL, 0);
}

#define FALLOCATE(name) \
    int name(int file, int mode, off_t offset, off_t size) { \
        REAL(int, #name, int, int, off_t, off_t); \
        CHANGED(int, file, real(file, mode, offset, size), grown(file, id)); \
    }
FALLOCATE(fallocate)
FALLOCATE(fallocate64)

#define POSIX_FALLOCATE(name) \
    int name(int file, off_t offset, off_t size) { \
        REAL(int, #name, int, off_t, off_t); \
        uint64_t id = known(file); \
        if (!id) return real(file, offset, size); \
        if (control->write_error) return (int)control->write_error; \
        lock(); \
        int failed = real(file, offset, size); \
        if (!failed) grown(file, id); \
        unlock(); \
        return failed; \
    }
POSIX_FALLOCATE(posix_fallocate)
POSIX_FALLOCATE(posix_fallocate64)

/* Syncs. One that fails has given up what was to be made durable: the next one does not know of it any more. */
static int sync_with(int (*real)(int), int file) {
    uint64_t id = known(file);
    if (!id) return real(file);
    lock();
    note(BEGIN, id, 0, 0, NULL, 0);
    unlock();
    __atomic_add_fetch(&control->syncs, 1, __ATOMIC_RELAXED);
    if (control->sync_ms) {
        struct timespec pause = {control->sync_ms / 1000, (long)(control->sync_ms % 1000) * 1000000L};
        nanosleep(&pause, NULL);
    }
    uint32_t error = control->sync_error;
    int done = error ? -1 : real(file);
    if (error) errno = (int)error, __atomic_add_fetch(&control->failed, 1, __ATOMIC_RELAXED);
    lock();
    note(done ? LOST : SYNCED, id, 0, 0, NULL, 0);
    unlock();
    return done;
}
int fsync(int file) {
    REAL(int, "fsync", int);
    return sync_with(real, file);
}
int fdatasync(int file) {
    REAL(int, "fdatasync", int);
    return sync_with(real, file);
}

/* Names. */
#define NAMED(call, remember) \
    if (ours && refused()) return -1; \
    lock(); \
    int done = call; \
    if (ours && !done) remember; \
    unlock(); \
    return done

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    char full[PATH_MAX];
    int ours = resolve(AT_FDCWD, path, full);
    NAMED(real(path), note_text(UNLINK, 0, 0, 0, full, NULL));
}
int unlinkat(int at, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    char full[PATH_MAX];
    int ours = resolve(at, path, full);
    NAMED(real(at, path, flags), note_text(UNLINK, 0, 0, 0, full, NULL));
}
int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    char old[PATH_MAX], new[PATH_MAX];
    int ours = resolve(AT_FDCWD, from, old) && resolve(AT_FDCWD, to, new);
    NAMED(real(from, to), note_text(RENAME, 0, 0, 0, old, new));
}
int renameat(int a, const char *from, int b, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    char old[PATH_MAX], new[PATH_MAX];
    int ours = resolve(a, from, old) && resolve(b, to, new);
    NAMED(real(a, from, b, to), note_text(RENAME, 0, 0, 0, old, new));
}
int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    char full[PATH_MAX];
    int ours = resolve(AT_FDCWD, path, full);
    NAMED(real(path, mode), note_text(MAKE, 0, 0, mode, full, NULL));
}
