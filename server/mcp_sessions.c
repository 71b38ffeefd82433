/* SPDX-License-Identifier: MIT */
#include "server/mcp_sessions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SESSIONS = 256, IDLE_S = 24 * 3600 };

struct session {
    char id[SERVER_ID_SIZE];
    struct server_mcp_client *client; /* NULL: free */
    time_t used_s;
};

struct mcp_sessions {
    pthread_mutex_t mutex;
    struct session table[MAX_SESSIONS];
};

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

struct mcp_sessions *mcp_sessions_open(void)
{
    struct mcp_sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions)
        pthread_mutex_init(&sessions->mutex, NULL);
    return sessions;
}

void mcp_sessions_close(struct mcp_sessions *sessions)
{
    if (!sessions)
        return;
    for (size_t i = 0; i < MAX_SESSIONS; i++)
        server_mcp_client_release(sessions->table[i].client);
    pthread_mutex_destroy(&sessions->mutex);
    free(sessions);
}

bool mcp_sessions_add(struct mcp_sessions *sessions, struct server_mcp_client *client,
                      char id[SERVER_ID_SIZE])
{
    if (!server_random_hex(id, (SERVER_ID_SIZE - 1) / 2))
        return false;
    pthread_mutex_lock(&sessions->mutex);
    struct session *place = &sessions->table[0];
    for (size_t i = 0; i < MAX_SESSIONS && place->client; i++)
        if (!sessions->table[i].client || sessions->table[i].used_s < place->used_s)
            place = &sessions->table[i];
    server_mcp_client_release(place->client);
    place->client = server_mcp_client_share(client);
    place->used_s = now_s();
    memcpy(place->id, id, SERVER_ID_SIZE);
    pthread_mutex_unlock(&sessions->mutex);
    return true;
}

/* With the lock held. */
static struct session *find(struct mcp_sessions *sessions, const char *id)
{
    for (size_t i = 0; i < MAX_SESSIONS; i++) {
        struct session *each = &sessions->table[i];
        if (each->client && strcmp(each->id, id) == 0 && now_s() - each->used_s < IDLE_S)
            return each;
    }
    return NULL;
}

struct server_mcp_client *mcp_sessions_find(struct mcp_sessions *sessions, const char *id)
{
    pthread_mutex_lock(&sessions->mutex);
    struct session *session = find(sessions, id);
    struct server_mcp_client *client = session ? server_mcp_client_share(session->client) : NULL;
    if (session)
        session->used_s = now_s();
    pthread_mutex_unlock(&sessions->mutex);
    return client;
}

bool mcp_sessions_remove(struct mcp_sessions *sessions, const char *id)
{
    pthread_mutex_lock(&sessions->mutex);
    struct session *session = find(sessions, id);
    struct server_mcp_client *client = session ? session->client : NULL;
    if (session)
        session->client = NULL;
    pthread_mutex_unlock(&sessions->mutex);
    if (client)
        server_mcp_client_cancel_all(client);
    server_mcp_client_release(client);
    return client != NULL;
}
