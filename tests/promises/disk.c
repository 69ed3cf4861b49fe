/* Preloaded: a disk that fills up or fails on cue, under one folder.
   DISK_FOLDER: where; DISK_AT: the first call that is answered by an error (from 1), and those after it;
   DISK_ERROR: its errno; DISK_ONCE: only that one call; DISK_LOG: a file that every call is noted in. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long calls = 0;

static int under(const char* path) {
  const char* folder = getenv("DISK_FOLDER");
  return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int place_of(int fd, char* path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return under(path);
}

static void whole_path(const char* path, char* out) {
  if (path[0] == '/') snprintf(out, PATH_MAX, "%s", path);
  else if (getcwd(out, PATH_MAX)) snprintf(out + strlen(out), PATH_MAX - strlen(out), "/%s", path);
}

static void note(const char* what, const char* path) {
  const char* log = getenv("DISK_LOG");
  if (!log) return;
  const int fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT, 0600);
  char line[PATH_MAX + 64];
  const int n = snprintf(line, sizeof line, "%s %s\n", what, path);
  if (syscall(SYS_write, fd, line, n) < 0) abort();
  syscall(SYS_close, fd);
}

/* Whether this call is answered by an error. */
static int refused(const char* what, const char* path) {
  const char* at = getenv("DISK_AT");
  pthread_mutex_lock(&lock);
  const long number = ++calls;
  pthread_mutex_unlock(&lock);
  note(what, path);
  if (!at || number < atol(at) || (getenv("DISK_ONCE") && number > atol(at))) return 0;
  errno = atoi(getenv("DISK_ERROR"));
  return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define BY_FD(what, fd, failed) do { char p_[PATH_MAX]; if (place_of(fd, p_) && refused(what, p_)) return failed; } while (0)

ssize_t write(int fd, const void* data, size_t n) { REAL(write); BY_FD("write", fd, -1); return real(fd, data, n); }
ssize_t writev(int fd, const struct iovec* v, int n) { REAL(writev); BY_FD("write", fd, -1); return real(fd, v, n); }
ssize_t pwrite(int fd, const void* data, size_t n, off_t at) { REAL(pwrite); BY_FD("write", fd, -1); return real(fd, data, n, at); }
ssize_t pwrite64(int fd, const void* data, size_t n, off64_t at) { REAL(pwrite64); BY_FD("write", fd, -1); return real(fd, data, n, at); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); BY_FD("truncate", fd, -1); return real(fd, n); }
int fsync(int fd) { REAL(fsync); BY_FD("fsync", fd, -1); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); BY_FD("fsync", fd, -1); return real(fd); }
size_t fwrite(const void* data, size_t size, size_t n, FILE* f) { REAL(fwrite); BY_FD("write", fileno(f), 0); return real(data, size, n, f); }

static int renaming(const char* from, const char* to) {
  char a[PATH_MAX], b[PATH_MAX], both[2 * PATH_MAX];
  whole_path(from, a);
  whole_path(to, b);
  if (!under(b)) return 0;
  snprintf(both, sizeof both, "%s %s", a, b);
  return refused("rename", both);
}

int rename(const char* from, const char* to) { REAL(rename); return renaming(from, to) ? -1 : real(from, to); }
int renameat(int a, const char* from, int b, const char* to) { REAL(renameat); return renaming(from, to) ? -1 : real(a, from, b, to); }
int renameat2(int a, const char* from, int b, const char* to, unsigned how) { REAL(renameat2); return renaming(from, to) ? -1 : real(a, from, b, to, how); }
int mkdir(const char* path, mode_t mode) {
  REAL(mkdir);
  char whole[PATH_MAX];
  whole_path(path, whole);
  return under(whole) && refused("mkdir", whole) ? -1 : real(path, mode);
}

/* For one process that tries many moments: count from here. */
void disk_from_here(void) { calls = 0; }
long disk_calls(void) { return calls; }
