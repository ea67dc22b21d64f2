// SPDX-License-Identifier: Apache-2.0
// Notices that files were changed, replaced or swapped under a link, as Kubernetes does with what
// it mounts: their directories are watched, and as a fallback (some file systems tell nothing) the
// files are looked at every half minute. Tells once things have calmed down.
// Owner: the server. Main thread.
#ifndef OUTRIDER_WORKER_WATCH_H
#define OUTRIDER_WORKER_WATCH_H

#include "net/loop.h"

struct watch;

enum { WATCH_CALM_MS = 500, WATCH_LOOK_MS = 30000 };

// `paths` are copied. A file that isn't there now may come later.
struct watch *watch_start(struct loop *loop, const char *const *paths, size_t count,
                          void (*on_changed)(void *user), void *user);
// What is there now has been seen: only later changes are told.
void watch_note(struct watch *watch);      // NULL is fine
void watch_stop(struct watch *take_watch); // frees itself when its handles are closed; NULL is fine

#endif
