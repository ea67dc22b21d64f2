// SPDX-License-Identifier: Apache-2.0
// What all tests of the HTTP/2 session begin with. Include it after cmocka.h.
#ifndef OUTRIDER_H2_ASSERT_H
#define OUTRIDER_H2_ASSERT_H

#include "h2_peer.h"

static inline struct h2_peer *connect_peer(void) {
    struct h2_peer *peer = h2_peer_create();
    h2_peer_connect(peer, NULL, 0);
    return peer;
}

static inline struct h2_peer *connect_raw(void) {
    struct h2_peer *peer = h2_peer_create();
    h2_peer_connect_raw(peer);
    return peer;
}

// Lets both sides speak until they have nothing more to say.
static inline void assert_log(struct h2_peer *peer, const char *expected) {
    h2_peer_turn(peer);
    assert_string_equal(h2_peer_log(peer), expected);
}

static inline void assert_record(struct h2_peer *peer, const char *expected) {
    assert_string_equal(fake_handler_record(&peer->handler), expected);
}

static inline void assert_text(const struct buffer *buffer, const char *expected) {
    struct slice text = buffer_peek(buffer);
    if (!slice_equal(text, slice_of_text(expected))) {
        fail_msg("\"%.*s\" instead of \"%s\"", SLICE_ARGS(text), expected);
    }
}

#endif
