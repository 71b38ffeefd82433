/* SPDX-License-Identifier: MIT */
#include "server/access.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "server/folder.h"

#define COOKIE_NAME "pipersr_session"
enum { KEY_BYTES = (SERVER_KEY_SIZE - 1) / 2, MAX_HOST_BYTES = 256 };

struct server_access {
    char *key;
    char cookie[SERVER_KEY_SIZE]; /* not the key: it is worth nothing after this server's end */
    const char *const *allowed_origins, *const *allowed_hosts;
    char own_name[MAX_HOST_BYTES];
    pthread_mutex_t mutex; /* of the token */
    char token[SERVER_KEY_SIZE];
};

struct server_access *server_access_open(const struct server_access_settings *settings)
{
    struct server_access *access = calloc(1, sizeof *access);
    if (!access)
        return NULL;
    access->key = strdup(settings->key);
    access->allowed_origins = settings->allowed_origins;
    access->allowed_hosts = settings->allowed_hosts;
    pthread_mutex_init(&access->mutex, NULL);
    if (gethostname(access->own_name, sizeof access->own_name - 1) != 0)
        access->own_name[0] = '\0';
    if (access->key && server_random_hex(access->cookie, KEY_BYTES))
        return access;
    server_access_free(access);
    return NULL;
}

void server_access_free(struct server_access *access)
{
    if (!access)
        return;
    if (access->key)
        gnutls_memset(access->key, 0, strlen(access->key));
    free(access->key);
    gnutls_memset(access->cookie, 0, sizeof access->cookie);
    pthread_mutex_destroy(&access->mutex);
    free(access);
}

/* -------------------------------------------------------------------------------- host, origin */

static bool is_in(const char *text, const char *const *list)
{
    for (; list && *list; list++)
        if (strcasecmp(text, *list) == 0)
            return true;
    return false;
}

/* "name:port", "name", "[::1]:port" -> "name", "::1". False for anything longer or malformed. */
static bool host_name(const char *host, char name[MAX_HOST_BYTES])
{
    const char *start = host, *end;
    if (*host == '[') {
        start = host + 1;
        end = strchr(start, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
    } else {
        end = strchr(host, ':');
        if (!end)
            end = host + strlen(host);
    }
    const size_t length = (size_t)(end - start);
    if (length == 0 || length >= MAX_HOST_BYTES)
        return false;
    memcpy(name, start, length);
    name[length] = '\0';
    return true;
}

/* An attacker's page can make its own name mean this machine, but not an address, and not a name
 * that this machine answers to. */
static bool is_our_host(const struct server_access *access, const char *host)
{
    char name[MAX_HOST_BYTES];
    unsigned char address[sizeof(struct in6_addr)];
    return host && host_name(host, name) &&
           (strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, address) == 1 ||
            inet_pton(AF_INET6, name, address) == 1 ||
            (*access->own_name && strcasecmp(name, access->own_name) == 0) ||
            is_in(name, access->allowed_hosts));
}

/* "http://HOST" or "https://HOST" with exactly the Host that the request went to. */
static bool is_same_origin(const char *origin, const char *host)
{
    const char *rest = strncmp(origin, "http://", 7) == 0    ? origin + 7
                       : strncmp(origin, "https://", 8) == 0 ? origin + 8
                                                             : NULL;
    return rest && strcasecmp(rest, host) == 0;
}

bool server_access_check_origin(const struct server_access *access,
                                const struct server_credentials *credentials, bool *is_foreign,
                                struct server_problem *problem)
{
    const char *origin = credentials->origin;
    *is_foreign = false;
    if (!is_our_host(access, credentials->host))
        return server_fail(
            problem, 403, "foreign-host",
            "this server does not answer to the name in Host; --allow-host adds one");
    if (!origin || is_same_origin(origin, credentials->host))
        return true;
    *is_foreign = true;
    return is_in(origin, access->allowed_origins)
               ? true
               : server_fail(
                     problem, 403, "foreign-origin",
                     "pages of this Origin may not use the server; --allow-origin lets one");
}

/* ----------------------------------------------------------------------------------- the key -- */

/* The time it takes depends on the length of `given` alone. */
static bool is_same_secret(const char *given, const char *secret)
{
    const size_t length = strlen(given);
    if (length >= SERVER_MAX_KEY_SIZE)
        return false;
    char padded[SERVER_MAX_KEY_SIZE] = {0}, expected[SERVER_MAX_KEY_SIZE] = {0};
    memcpy(padded, given, length);
    memcpy(expected, secret, strlen(secret));
    const bool same = gnutls_memcmp(padded, expected, sizeof expected) == 0;
    gnutls_memset(expected, 0, sizeof expected);
    return same;
}

/* The value of our cookie in a Cookie header. */
static bool find_cookie(const char *cookies, char value[SERVER_KEY_SIZE])
{
    const size_t name_length = strlen(COOKIE_NAME);
    while (*cookies) {
        cookies += strspn(cookies, " ;");
        const size_t length = strcspn(cookies, ";");
        if (length == name_length + SERVER_KEY_SIZE && cookies[name_length] == '=' &&
            strncmp(cookies, COOKIE_NAME, name_length) == 0) {
            memcpy(value, cookies + name_length + 1, SERVER_KEY_SIZE - 1);
            value[SERVER_KEY_SIZE - 1] = '\0';
            return true;
        }
        cookies += length;
    }
    return false;
}

/* A browser sends the cookie wherever a page points it to. SameSite=Strict holds other sites' pages
 * off; a page at another port of this host is the same site, so what changes anything, or asks from
 * elsewhere, has to say that it comes from our own page. */
static bool is_cookie_safe(const struct server_credentials *credentials)
{
    const bool only_reads =
        strcmp(credentials->method, "GET") == 0 || strcmp(credentials->method, "HEAD") == 0;
    const char *site = credentials->fetch_site;
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    if (credentials->origin)
        return is_same_origin(credentials->origin, credentials->host);
    return only_reads || (site && strcmp(site, "same-origin") == 0);
}

bool server_access_check_key(const struct server_access *access,
                             const struct server_credentials *credentials,
                             struct server_problem *problem)
{
    static const char scheme[] = "Bearer ";
    char cookie[SERVER_KEY_SIZE];
    const char *given = credentials->session_key;
    const char *authorization = credentials->authorization;
    if (!given && authorization && strncasecmp(authorization, scheme, sizeof scheme - 1) == 0)
        given = authorization + sizeof scheme - 1;
    if (!given)
        given = credentials->query_key;
    if (given && is_same_secret(given, access->key))
        return true;
    if (!given && credentials->cookie && find_cookie(credentials->cookie, cookie) &&
        is_same_secret(cookie, access->cookie) && is_cookie_safe(credentials))
        return true;
    server_fail(problem, 401, given ? "wrong-key" : "no-key",
                given ? "the session key is wrong: it changes when the server starts anew without "
                        "--key-file"
                      : "send the session key as X-Session-Key or as Authorization: Bearer");
    if (problem)
        problem->wants_key = true;
    return false;
}

/* ---------------------------------------------------------------------------------- the link -- */

bool server_access_make_token(struct server_access *access, char token[SERVER_KEY_SIZE])
{
    if (!server_random_hex(token, KEY_BYTES))
        return false;
    pthread_mutex_lock(&access->mutex);
    memcpy(access->token, token, SERVER_KEY_SIZE);
    pthread_mutex_unlock(&access->mutex);
    return true;
}

bool server_access_use_token(struct server_access *access, const char *token,
                             char cookie[SERVER_KEY_SIZE])
{
    pthread_mutex_lock(&access->mutex);
    const bool valid = *access->token && is_same_secret(token, access->token);
    if (valid)
        access->token[0] = '\0';
    pthread_mutex_unlock(&access->mutex);
    if (valid)
        memcpy(cookie, access->cookie, SERVER_KEY_SIZE);
    return valid;
}
