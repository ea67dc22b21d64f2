// SPDX-License-Identifier: Apache-2.0
// Certificates that tests make for themselves: self-signed, P-256, as PEM files in a folder.
// Owner: the test, which gives the folder and removes it by fake_certificate_remove_folder.
#ifndef OUTRIDER_FAKE_CERTIFICATE_H
#define OUTRIDER_FAKE_CERTIFICATE_H

struct fake_certificate {
    char certificate[256]; // path of the PEM file
    char key[256];
};

// Makes a new folder and writes its path.
void fake_certificate_make_folder(char out_folder[128]);
void fake_certificate_remove_folder(const char *folder);
// `names` as OpenSSL reads them: "DNS:a.example,DNS:*.b.example,IP:::1".
void fake_certificate_write(const char *folder, const char *file, const char *names,
                            struct fake_certificate *out_certificate);

#endif
