#include "websocket/hub.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/episode.h"
#include "io/events.h"
#include "io/journal.h"
#include "websocket/board.h"

/* More than this is not collected before it is sent. */
#define TICK_MAX_BYTES BOARD_CATCH_UP_BYTES

typedef struct Client Client;
struct Client {
        Hub *hub;
        WsClient *ws;
        Client *next, *prev;
        uint64_t sequence;      /* everything up to this number was sent, or replaced by newer */
        int64_t waits_since_ms; /* it has taken nothing since, and more is to leave; 0: all has left
                                 */
        int unacknowledged;     /* of what the kernel had when it was looked at last */
};

struct Hub {
        Board *board;
        bool begun;
        Client *clients;
        size_t n_clients, max_clients;
        Buffer tick; /* the frames of the updates TICK_START+1 .. the board's sequence */
        uint64_t tick_start;
        Episode full;
        int64_t refused_ms; /* when the last client was */
};

int hub_new(Hub **ret, size_t max_clients) {
        _cleanup_(hub_freep) Hub *hub = calloc(1, sizeof(*hub));
        if (!hub)
                return -ENOMEM;
        hub->max_clients = max_clients;
        int r = board_new(&hub->board);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(hub);
        return 0;
}

void hub_free(Hub *hub) {
        if (!hub)
                return;
        board_free(hub->board);
        buffer_done(&hub->tick);
        free(hub);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* With FRAMES it will have seen everything up to UNTIL. 0: all of it has left. */
static int send_frames(Client *client, const Buffer *frames, uint64_t until) {
        int r = ws_client_send(client->ws, frames->data, frames->length);

        /* An error needs no care: on_close comes. */
        client->waits_since_ms = r == 1 ? clock_monotonic_ms() : 0;
        client->sequence = until;
        return r;
}

static int send_next(Client *client) {
        Hub *hub = client->hub;
        const Buffer *frames = &hub->tick;
        uint64_t until = board_sequence(hub->board);

        if (client->sequence != hub->tick_start || frames->length == 0) {
                int r = board_catch_up(hub->board, client->sequence, &frames, &until);
                /* Out of memory: the next tick tries again. */
                if (r < 0)
                        return r;
        }
        return send_frames(client, frames, until);
}

/* Sends what the client has not seen, as much of it as it can take. */
static void update_client(Client *client) {
        const Hub *hub = client->hub;
        int r = 0;

        if (!hub->begun || !ws_client_is_drained(client->ws))
                return;
        while (r == 0 && client->sequence != board_sequence(hub->board))
                r = send_next(client);
}

void hub_flush(Hub *hub) {
        /* on_close may come while a client is sent to, for this client only. */
        for (Client *client = hub->clients, *next; client; client = next) {
                next = client->next;
                update_client(client);
        }
        buffer_clear(&hub->tick);
        hub->tick_start = board_sequence(hub->board);
}

void hub_put(Hub *hub, const UpdateBatch *batch) {
        for (size_t i = 0; i < batch->n; i++) {
                int r = board_put(hub->board, &batch->updates[i], &hub->tick);
                if (r < 0)
                        log_error("A price of %s cannot be broadcast (%s), leaving it out.",
                                  batch->updates[i].coin_id, strerror(-r));
                if (hub->tick.length >= TICK_MAX_BYTES)
                        hub_flush(hub);
        }
}

void hub_begin(Hub *hub) {
        if (hub->begun)
                return;
        hub->begun = true;
        /* Whoever waited gets the newest of each, not all that led to it. */
        buffer_clear(&hub->tick);
        hub->tick_start = board_sequence(hub->board);
        hub_flush(hub);
}

/* ---- clients --------------------------------------------------------------------------------- */

static bool has_room(Hub *hub, const char *peer) {
        int64_t now_ms = clock_monotonic_ms();

        if (hub->n_clients < hub->max_clients)
                return true;
        hub->refused_ms = now_ms;
        int priority = episode_fail(&hub->full, now_ms) ? LOG_WARNING : LOG_DEBUG;
        journal_log(priority, LOG_FIELDS(LOG_EVENT(CLIENTS_REFUSED), LOG_TEXT("PEER", peer)),
                    "%zu clients are connected, as many as websocket.max_clients allows; "
                    "others are refused.",
                    hub->n_clients);
        return false;
}

/* At the limit clients come and go, so it is over when none has been refused for a while. */
static void tell_room(Hub *hub, int64_t now_ms) {
        uint64_t n = hub->full.failures;
        int64_t duration_ms;

        if (now_ms - hub->refused_ms < HUB_QUIET_MS ||
            !episode_end(&hub->full, now_ms, &duration_ms))
                return;
        duration_ms -= now_ms - hub->refused_ms;
        journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                    "No client has been refused for a minute; %" PRIu64 " were within %" PRId64
                    " s.",
                    n, duration_ms / 1000);
}

static bool on_open(WsClient *ws, void *user, void **ret_client_user) {
        Hub *hub = user;

        if (!has_room(hub, ws_client_peer(ws)))
                return false;
        Client *client = calloc(1, sizeof(*client));
        if (!client)
                return false;
        client->hub = hub;
        client->ws = ws;
        client->next = hub->clients;
        if (client->next)
                client->next->prev = client;
        hub->clients = client;
        hub->n_clients++;
        *ret_client_user = client;
        update_client(client);
        return true;
}

static void on_drained(WsClient *ws, void *client_user) {
        Client *client = client_user;

        (void) ws;
        client->waits_since_ms = 0;
        update_client(client);
}

static void on_close(WsClient *ws, void *client_user) {
        Client *client = client_user;
        Hub *hub = client->hub;

        (void) ws;
        if (client->prev)
                client->prev->next = client->next;
        else
                hub->clients = client->next;
        if (client->next)
                client->next->prev = client->prev;
        hub->n_clients--;
        free(client);
}

const WsEvents hub_events = {
        .on_open = on_open,
        .on_drained = on_drained,
        .on_close = on_close,
};

/* One with a slow line takes long for a large board, but it takes. */
static void note_progress(Client *client, int64_t now_ms) {
        int n = ws_client_unacknowledged(client->ws);

        if (n != client->unacknowledged)
                client->waits_since_ms = now_ms;
        client->unacknowledged = n;
}

static bool has_stalled(Client *client, int64_t now_ms) {
        if (client->waits_since_ms == 0)
                return false;
        note_progress(client, now_ms);
        return now_ms - client->waits_since_ms >= HUB_STALL_MAX_MS;
}

static void drop_stalled(Hub *hub, int64_t now_ms) {
        size_t n = 0;

        for (Client *client = hub->clients, *next; client; client = next) {
                next = client->next;
                if (!has_stalled(client, now_ms))
                        continue;
                const char *peer = ws_client_peer(client->ws);
                journal_log(LOG_DEBUG, LOG_FIELDS(LOG_TEXT("PEER", peer)),
                            "Client %s has taken nothing for %d s, dropping it.", peer,
                            HUB_STALL_MAX_MS / 1000);
                ws_client_drop(client->ws);
                n++;
        }
        if (n > 0)
                journal_log(LOG_INFO, LOG_FIELDS(LOG_NUMBER("CLIENTS", n)),
                            "Dropped %zu clients that took nothing for %d s.", n,
                            HUB_STALL_MAX_MS / 1000);
}

void hub_turn(Hub *hub, int64_t now_ms) {
        drop_stalled(hub, now_ms);
        tell_room(hub, now_ms);
}

void hub_set_max_clients(Hub *hub, size_t max_clients) {
        hub->max_clients = max_clients;
}

HubState hub_state(const Hub *hub) {
        return (HubState){ .clients = hub->n_clients,
                           .prices = board_count(hub->board),
                           .newest_ms = board_newest_ms(hub->board) };
}
