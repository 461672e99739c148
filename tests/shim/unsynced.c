/* A disk that forgets what was not synced, and can be told to fail; and a wall clock that can be told to step.
 *
 * Preloaded into a process (LD_PRELOAD), it keeps writes to files below $SHIM_DIR in memory until fsync or
 * fdatasync of the file; kill -9 then loses what a power cut would lose. File sizes grow at once, so that a
 * lost write leaves zeros, as file systems do. Reads see the memory first.
 *
 * $SHIM_CONTROL names a file that is read at each write, sync, and look at the wall clock:
 *   ok            nothing goes wrong
 *   sync-eio      every sync fails with EIO
 *   sync-slow MS  every sync takes so much longer
 *   sync-torn     the next sync that has something to write writes parts of it, and the process is killed (SIGKILL)
 *   sync-lies     every sync says that it is done, and nothing is
 *   full          every write that would grow a file fails with ENOSPC
 *   clock S       the wall clock is so many seconds ahead; what counts time that passes is not
 * Each fault that happened leaves a line with its word in $SHIM_CONTROL.seen; a clock, each time that it stepped.
 *
 * Limits: renames and unlinks are durable at once; memory maps are not seen (SQLite's WAL index needs none of it
 * after a crash).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 4096

struct piece { off_t at; size_t len; char *data; struct piece *next; };
struct file { dev_t dev; ino_t ino; struct piece *first, *last; struct file *next; };

static struct file *files[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(ret, name, ...) \
  static ret (*real_##name)(__VA_ARGS__); \
  if (!real_##name) real_##name = (ret (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* Whether it is told to do this, and the number that follows. */
static int control(const char *word, long *number) {
  const char *path = getenv("SHIM_CONTROL");
  char text[32] = {0};
  size_t len = strlen(word);
  if (!path) return 0;
  REAL(ssize_t, read, int, void *, size_t);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  ssize_t got = real_read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0 || strncmp(text, word, len) != 0) return 0;
  if (number) *number = atol(text + len);
  return 1;
}

static void saw(const char *word) {
  char path[4096], line[32];
  REAL(ssize_t, write, int, const void *, size_t);
  snprintf(path, sizeof path, "%s.seen", getenv("SHIM_CONTROL"));
  int len = snprintf(line, sizeof line, "%s\n", word);
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (fd < 0 || real_write(fd, line, (size_t)len) != len) abort();
  close(fd);
}

/* Whether the descriptor is a regular file below $SHIM_DIR that is not shared memory. */
static int ours(int fd, struct stat *st) {
  const char *dir = getenv("SHIM_DIR");
  char link[64], path[4096];
  if (!dir || fd < 3) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, path, sizeof path - 1);
  if (len <= 0) return 0;
  path[len] = 0;
  if (strncmp(path, dir, strlen(dir)) != 0) return 0;
  if (len > 4 && strcmp(path + len - 4, "-shm") == 0) return 0;
  return fstat(fd, st) == 0 && S_ISREG(st->st_mode);
}

static struct file *find(const struct stat *st, int make) {
  size_t bucket = (size_t)st->st_ino % BUCKETS;
  for (struct file *f = files[bucket]; f; f = f->next)
    if (f->ino == st->st_ino && f->dev == st->st_dev) return f;
  if (!make) return NULL;
  struct file *f = calloc(1, sizeof *f);
  f->dev = st->st_dev;
  f->ino = st->st_ino;
  f->next = files[bucket];
  return files[bucket] = f;
}

static ssize_t keep(int fd, const struct stat *st, const void *data, size_t len, off_t at) {
  if (at + (off_t)len > st->st_size) {
    if (control("full", NULL)) { saw("full"); errno = ENOSPC; return -1; }
    REAL(int, ftruncate, int, off_t);
    if (real_ftruncate(fd, at + (off_t)len) != 0) return -1;
  }
  struct piece *p = malloc(sizeof *p);
  p->at = at;
  p->len = len;
  p->data = malloc(len);
  p->next = NULL;
  memcpy(p->data, data, len);
  pthread_mutex_lock(&lock);
  struct file *f = find(st, 1);
  if (f->last) f->last->next = p; else f->first = p;
  f->last = p;
  pthread_mutex_unlock(&lock);
  return (ssize_t)len;
}

/* Under the lock since before the file was read: what a sync moves to the file in between would be in neither. */
static void overlay(const struct stat *st, char *data, ssize_t len, off_t at) {
  struct file *f = find(st, 0);
  for (struct piece *p = f ? f->first : NULL; p; p = p->next) {
    off_t from = p->at > at ? p->at : at;
    off_t to = p->at + (off_t)p->len < at + len ? p->at + (off_t)p->len : at + len;
    if (from < to) memcpy(data + (from - at), p->data + (from - p->at), (size_t)(to - from));
  }
}

static int settle(int fd, const struct stat *st) {
  REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
  int failed = 0;
  pthread_mutex_lock(&lock);
  struct file *f = find(st, 0);
  while (f && f->first) {
    struct piece *p = f->first;
    if (real_pwrite64(fd, p->data, p->len, p->at) != (ssize_t)p->len) failed = 1;
    f->first = p->next;
    free(p->data);
    free(p);
  }
  if (f) f->last = NULL;
  pthread_mutex_unlock(&lock);
  return failed;
}

/* Power goes while the disk works: of what was to be written every second piece is there, and half of the last. */
static void tear(int fd, const struct stat *st) {
  REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
  pthread_mutex_lock(&lock);
  struct file *f = find(st, 0);
  if (f && f->first) {
    for (struct piece *p = f->first->next; p; p = p->next ? p->next->next : NULL) {
      size_t len = p == f->last ? p->len / 2 : p->len;
      if (real_pwrite64(fd, p->data, len, p->at) != (ssize_t)len) abort();
    }
    saw("sync-torn");
    raise(SIGKILL);
  }
  pthread_mutex_unlock(&lock);
}

/* Pieces past the new end are cut. */
static void cut(const struct stat *st, off_t size) {
  pthread_mutex_lock(&lock);
  struct file *f = find(st, 0);
  for (struct piece *p = f ? f->first : NULL; p; p = p->next) {
    if (p->at >= size) p->len = 0;
    else if (p->at + (off_t)p->len > size) p->len = (size_t)(size - p->at);
  }
  pthread_mutex_unlock(&lock);
}

#define PWRITE(name) \
  ssize_t name(int fd, const void *data, size_t len, off_t at) { \
    struct stat st; \
    REAL(ssize_t, name, int, const void *, size_t, off_t); \
    return ours(fd, &st) ? keep(fd, &st, data, len, at) : real_##name(fd, data, len, at); \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PREAD(name) \
  ssize_t name(int fd, void *data, size_t len, off_t at) { \
    struct stat st; \
    REAL(ssize_t, name, int, void *, size_t, off_t); \
    if (!ours(fd, &st)) return real_##name(fd, data, len, at); \
    pthread_mutex_lock(&lock); \
    ssize_t got = real_##name(fd, data, len, at); \
    if (got > 0) overlay(&st, data, got, at); \
    pthread_mutex_unlock(&lock); \
    return got; \
  }
PREAD(pread)
PREAD(pread64)

ssize_t write(int fd, const void *data, size_t len) {
  struct stat st;
  REAL(ssize_t, write, int, const void *, size_t);
  if (!ours(fd, &st)) return real_write(fd, data, len);
  int append = fcntl(fd, F_GETFL) & O_APPEND;
  off_t at = append ? st.st_size : lseek(fd, 0, SEEK_CUR);
  ssize_t done = keep(fd, &st, data, len, at);
  if (done > 0) lseek(fd, at + done, SEEK_SET);
  return done;
}

ssize_t read(int fd, void *data, size_t len) {
  struct stat st;
  REAL(ssize_t, read, int, void *, size_t);
  if (!ours(fd, &st)) return real_read(fd, data, len);
  off_t at = lseek(fd, 0, SEEK_CUR);
  pthread_mutex_lock(&lock);
  ssize_t got = real_read(fd, data, len);
  if (got > 0) overlay(&st, data, got, at);
  pthread_mutex_unlock(&lock);
  return got;
}

/* What the disk is told to do with a sync: -1 fails it, 1 says at once that it is done. */
static int meddle(int fd, const struct stat *st) {
  long ms;
  if (control("sync-eio", NULL)) { saw("sync-eio"); return -1; }
  if (control("sync-lies", NULL)) { saw("sync-lies"); return 1; }
  if (control("sync-torn", NULL)) tear(fd, st);
  if (control("sync-slow", &ms)) { saw("sync-slow"); usleep((useconds_t)ms * 1000); }
  return 0;
}

#define SYNC(name) \
  int name(int fd) { \
    struct stat st; \
    REAL(int, name, int); \
    if (!ours(fd, &st)) return real_##name(fd); \
    int meddled = meddle(fd, &st); \
    if (meddled > 0) return 0; \
    if (meddled < 0 || settle(fd, &st)) { errno = EIO; return -1; } \
    return real_##name(fd); \
  }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name) \
  int name(int fd, off_t size) { \
    struct stat st; \
    REAL(int, name, int, off_t); \
    if (ours(fd, &st)) cut(&st, size); \
    return real_##name(fd, size); \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int clock_gettime(clockid_t clock, struct timespec *now) {
  static _Atomic long last;
  long ahead = 0;
  REAL(int, clock_gettime, clockid_t, struct timespec *);
  int failed = real_clock_gettime(clock, now);
  if (failed || clock != CLOCK_REALTIME) return failed;
  control("clock", &ahead);
  if (atomic_exchange(&last, ahead) != ahead) saw("clock");
  now->tv_sec += ahead;
  return 0;
}
