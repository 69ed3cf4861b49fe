/* A wall clock that jumps, to be preloaded: between the years 1971 and 2100, back and forth, every few readings of it.
   The clock that only counts (CLOCK_MONOTONIC) is left alone, as the kernel does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define YEAR (365L * 24 * 3600)
static const time_t jumps[] = {0, -3600, 31536000L * 74, -5, 7, 0};
static atomic_ulong readings;

static time_t shifted(time_t seconds) {
  unsigned long moment = atomic_fetch_add(&readings, 1) / 5;
  if (moment % 7 == 3) return YEAR + (time_t)moment; /* 1971 */
  return seconds + jumps[moment % (sizeof jumps / sizeof *jumps)];
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(clock, at);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec = shifted(at->tv_sec);
  return failed;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
