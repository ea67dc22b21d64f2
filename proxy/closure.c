// SPDX-License-Identifier: Apache-2.0

// Linked with one whole floor and the floors below it, and never run: the build fails here when a
// floor calls something above or beside it.

int main(void) {
    return 0;
}
