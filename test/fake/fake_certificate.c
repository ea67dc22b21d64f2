// SPDX-License-Identifier: Apache-2.0
#include "fake_certificate.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ensure.h"

static X509 *make_certificate(EVP_PKEY *key, const char *names);

void fake_certificate_make_folder(char out_folder[128]) {
    const char *parent = getenv("TMPDIR");
    snprintf(out_folder, 128, "%s/outrider-XXXXXX", parent != NULL ? parent : "/tmp");
    ensure(mkdtemp(out_folder) != NULL);
}

void fake_certificate_remove_folder(const char *folder) {
    DIR *directory = opendir(folder);
    ensure(directory != NULL);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        unlinkat(dirfd(directory), entry->d_name, 0);
    }
    closedir(directory);
    rmdir(folder);
}

void fake_certificate_write(const char *folder, const char *file, const char *names,
                            struct fake_certificate *out_certificate) {
    snprintf(out_certificate->certificate, sizeof(out_certificate->certificate), "%s/%s.crt",
             folder, file);
    snprintf(out_certificate->key, sizeof(out_certificate->key), "%s/%s.key", folder, file);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, names);
    FILE *out = fopen(out_certificate->certificate, "w");
    ensure(out != NULL && PEM_write_X509(out, certificate) == 1);
    fclose(out);
    out = fopen(out_certificate->key, "w");
    ensure(out != NULL && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static X509 *make_certificate(EVP_PKEY *key, const char *names) {
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    ensure(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    ensure(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}
