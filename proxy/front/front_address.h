// SPDX-License-Identifier: Apache-2.0
// How many conns each client address has, so that one of them cannot take all places. Of IPv6 the
// first 64 bits count: that is what one subscriber is given.
// Owner: the front. One thread. Counts only; what too many is, and who may have them, front.c says.
// See also: limits.address_share. Private to this folder.
#ifndef OUTRIDER_FRONT_FRONT_ADDRESS_H
#define OUTRIDER_FRONT_FRONT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

struct front_addresses;

// The seed keeps clients from choosing addresses that fall together.
struct front_addresses *front_addresses_create(uint64_t seed);
void front_addresses_destroy(struct front_addresses *take_addresses); // NULL is fine

// One conn more; returns how many the address has now.
unsigned front_addresses_enter(struct front_addresses *addresses, const uint8_t address[16]);
void front_addresses_leave(struct front_addresses *addresses, const uint8_t address[16]);

// This machine itself: 127.0.0.0/8, ::1, or a unix socket.
bool front_address_is_local(const uint8_t address[16]);

#endif
