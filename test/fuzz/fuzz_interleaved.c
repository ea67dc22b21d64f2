// SPDX-License-Identifier: Apache-2.0
// Clients, origins, time and operators at once, in the order that the input says: requests and
// responses in any pieces, resets and ends at any moment, peers that do not read, reloads, drains,
// short memory. Each byte of the input that begins a step chooses it; what it needs follows. This
// finds objects that die too early or too late, and content that reaches the wrong request.
// See also: fuzz_world.h, fuzz_client.h and fuzz_origin.h, which know what is right.
#include "fuzz.h"

#include "fake_conn.h"
#include "fuzz_client.h"
#include "fuzz_origin.h"

enum { MOST_STEPS = 400 };

static const size_t limits[] = {0, 1, 100, 5000, 40000, SIZE_MAX, SIZE_MAX, SIZE_MAX};
static const uint64_t times[] = {1, 4, 60, 300, 1000, 3000, 11000, 61000};

static const struct conn_path far_away = {.under_way = 5000,
                                          .rate = 200000,
                                          .segment_bytes = 1448,
                                          .round_trip_us = 120000,
                                          .least_round_trip_us = 100000};

static struct fuzz_client *choose_client(struct fuzz_world *world, struct fuzz_input *input) {
    unsigned choice = fuzz_byte(input);
    return world->client_count > 0 ? world->clients[choice % world->client_count] : NULL;
}

// The latest ones first: most of the older are gone.
static struct fuzz_origin *choose_origin(struct fuzz_world *world, struct fuzz_input *input) {
    unsigned choice = fuzz_byte(input);
    unsigned open = 0;
    for (unsigned i = 0; i < world->origin_count; i++) {
        open += !world->origins[i]->is_gone;
    }
    unsigned wanted = open > 0 ? choice % open : 0;
    for (unsigned i = world->origin_count; i > 0; i--) {
        if (!world->origins[i - 1]->is_gone && wanted-- == 0) {
            return world->origins[i - 1];
        }
    }
    return NULL;
}

static void step_client(struct fuzz_world *world, unsigned step, struct fuzz_input *input) {
    struct fuzz_client *client = choose_client(world, input);
    if (step == 0) {
        if (world->client_count < FUZZ_CLIENTS) {
            fuzz_client_create(world, fuzz_byte(input) & 15, input);
        }
        return;
    }
    if (client == NULL || client->is_gone) {
        return;
    }
    switch (step) {
    case 1:
    case 2:
    case 3:
        fuzz_client_request(client, input);
        break;
    case 4:
        fuzz_client_content(client, input);
        break;
    case 5:
    case 6:
        fuzz_client_control(client, input);
        break;
    case 7:
        fuzz_client_say_raw(client, fuzz_take(input, fuzz_byte(input)));
        break;
    case 8: {
        unsigned how = fuzz_byte(input);
        fake_conn_set_limit(client->conn, limits[how & 7]);
        fake_conn_set_piece(client->conn, (how & 8) ? how >> 4 : 0);
        client->is_slow = (how & 16) != 0;
        fake_conn_set_path(client->conn, (how & 32) ? &far_away : NULL);
        break;
    }
    default:
        fuzz_client_leave(client, (fuzz_byte(input) & 1) != 0);
        break;
    }
}

static void step_origin(struct fuzz_world *world, unsigned step, struct fuzz_input *input) {
    static const enum fault faults[] = {FAULT_ORIGIN_REFUSED, FAULT_ORIGIN_DNS,
                                        FAULT_ORIGIN_UNREACHABLE, FAULT_ORIGIN_CONNECT_TIMEOUT};
    struct fuzz_origin *origin = choose_origin(world, input);
    if (step == 0) {
        fuzz_world_connect(world);
        return;
    }
    if (step == 1) {
        fuzz_world_refuse(world, faults[fuzz_byte(input) & 3]);
        return;
    }
    if (origin == NULL) {
        return;
    }
    switch (step) {
    case 2:
    case 3:
        fuzz_origin_say_head(origin, input);
        break;
    case 4:
    case 5:
        fuzz_origin_say_content(origin, fuzz_word(input));
        break;
    case 6:
        fuzz_origin_say_interim(origin, input);
        break;
    case 7:
        fuzz_origin_answer(origin);
        break;
    case 8:
        fuzz_origin_say_raw(origin, fuzz_take(input, fuzz_byte(input)));
        break;
    case 9: {
        unsigned how = fuzz_byte(input);
        fake_conn_set_limit(origin->conn, limits[how & 7]);
        fake_conn_set_piece(origin->conn, (how & 8) ? how >> 4 : 0);
        origin->is_slow = (how & 16) != 0;
        break;
    }
    default:
        fuzz_origin_leave(origin, (fuzz_byte(input) & 1) != 0);
        break;
    }
}

static void step_world(struct fuzz_world *world, unsigned step, struct fuzz_input *input) {
    switch (step) {
    case 0:
        fuzz_world_pass(world, times[fuzz_byte(input) & 7]);
        break;
    case 1:
        fuzz_world_settle(world);
        break;
    case 2:
        fuzz_world_reload(world, fuzz_byte(input) % FUZZ_CONFIGS);
        break;
    case 3:
        fuzz_world_drain(world);
        break;
    case 4:
        memory_gauge_set(&world->gauge, (enum memory_level)(fuzz_byte(input) % 3));
        break;
    case 5: {
        unsigned how = fuzz_byte(input);
        if (how == 255) {
            front_abort_all(&world->front);
        } else if (how >= 200) { // as when no descriptor is left
            front_end_oldest(&world->front);
        }
        break;
    }
    default:
        fuzz_world_turn(world);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct fuzz_world world; // large
    struct fuzz_input input = fuzz_input_of(data, size);
    fuzz_world_open(&world, fuzz_byte(&input) % FUZZ_CONFIGS);
    for (unsigned steps = 0; input.length > 0 && steps < MOST_STEPS; steps++) {
        unsigned step = fuzz_byte(&input) % 48;
        fuzz_trace("step %u\n", step);
        if (step < 16) {
            step_client(&world, step < 10 ? step : step % 10, &input);
        } else if (step < 32) {
            step_origin(&world, step < 27 ? step - 16 : (step - 16) % 11, &input);
        } else {
            step_world(&world, (step - 32) % 10, &input);
        }
        if ((step & 1) != 0) {
            fuzz_world_turn(&world);
        }
    }
    fuzz_world_close(&world);
    return 0;
}
