#include "websocket/board.h"

#include <errno.h>
#include <string.h>

#include "core/price_codec.h"
#include "core/slot_index.h"
#include "io/ws_server.h"

#define NO_SLOT SIZE_MAX

/* The slots are also a list in the order of their last change, so that catching up costs what it
 * sends and not the size of the board. */
typedef struct Slot {
        int64_t timestamp_ms;
        uint64_t sequence; /* of its last change */
        Buffer frame;
        size_t older, newer; /* neighbours in that list, or NO_SLOT */
} Slot;

struct Board {
        SlotIndex *index;
        Slot *slots;
        size_t n_slots, capacity;
        size_t oldest, newest; /* the list's ends, or NO_SLOT */
        uint64_t sequence;
        int64_t newest_ms;

        Buffer text; /* the message that is being made */
        /* The last answer of board_catch_up(): the changes SINCE..UNTIL, when SEQUENCE_THEN was the
         * last one. */
        Buffer catch_up;
        uint64_t since, until, sequence_then;
};

int board_new(Board **ret) {
        _cleanup_(board_freep) Board *board = calloc(1, sizeof(*board));
        if (!board)
                return -ENOMEM;
        board->oldest = board->newest = NO_SLOT;
        board->since = UINT64_MAX;
        int r = slot_index_new(&board->index);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(board);
        return 0;
}

void board_free(Board *board) {
        if (!board)
                return;
        for (size_t i = 0; i < board->n_slots; i++)
                buffer_done(&board->slots[i].frame);
        buffer_done(&board->text);
        buffer_done(&board->catch_up);
        slot_index_free(board->index);
        free(board->slots);
        free(board);
}

static int reserve_slots(Board *board, size_t n) {
        if (n <= board->capacity)
                return 0;
        size_t capacity = MAX_OF(n, board->capacity * 2);
        Slot *slots = realloc(board->slots, capacity * sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        board->slots = slots;
        board->capacity = capacity;
        return 0;
}

/* The pair's slot, made empty if it is new. An empty slot is in no list. */
static int find_slot(Board *board, const PriceUpdate *update, size_t *ret) {
        /* First the room: a number once given cannot be taken back. */
        int r = reserve_slots(board, slot_index_count(board->index) + 1);
        if (r < 0)
                return r;
        r = slot_index_add(board->index, update->coin_id, update->currency, ret);
        if (r < 0)
                return r;
        if (*ret == board->n_slots)
                board->slots[board->n_slots++] = (Slot){ .older = NO_SLOT, .newer = NO_SLOT };
        return 0;
}

static int make_frame(Board *board, const PriceUpdate *update, Buffer *ret) {
        buffer_clear(&board->text);
        int r = price_encode_live(&board->text, update);
        return r < 0 ? r : ws_frame_append_text(ret, board->text.data, board->text.length);
}

/* Takes slot S out of the list, if it is in it. */
static void unlink_slot(Board *board, size_t s) {
        Slot *slot = &board->slots[s];

        if (slot->sequence == 0)
                return;
        if (slot->older != NO_SLOT)
                board->slots[slot->older].newer = slot->newer;
        else
                board->oldest = slot->newer;
        if (slot->newer != NO_SLOT)
                board->slots[slot->newer].older = slot->older;
        else
                board->newest = slot->older;
}

static void append_slot(Board *board, size_t s) {
        Slot *slot = &board->slots[s];

        slot->older = board->newest;
        slot->newer = NO_SLOT;
        if (board->newest != NO_SLOT)
                board->slots[board->newest].newer = s;
        else
                board->oldest = s;
        board->newest = s;
        slot->sequence = ++board->sequence;
}

int board_put(Board *board, const PriceUpdate *update, Buffer *tick) {
        _cleanup_buffer_ Buffer frame = { .max = 0 };
        size_t s;

        int r = find_slot(board, update, &s);
        if (r < 0)
                return r;
        Slot *slot = &board->slots[s];
        if (slot->sequence > 0 && update->timestamp_ms <= slot->timestamp_ms)
                return 0;
        r = make_frame(board, update, &frame);
        if (r == 0 && tick)
                r = buffer_append(tick, frame.data, frame.length);
        if (r < 0)
                return r;

        Buffer previous = slot->frame;
        slot->frame = frame;
        frame = previous;
        slot->timestamp_ms = update->timestamp_ms;
        board->newest_ms = MAX_OF(board->newest_ms, update->timestamp_ms);
        unlink_slot(board, s);
        append_slot(board, s);
        return 1;
}

uint64_t board_sequence(const Board *board) {
        return board->sequence;
}

/* The first slot in the list that changed after SINCE. Seen from the new end: who catches up has
 * mostly missed little, or everything. */
static size_t first_after(const Board *board, uint64_t since) {
        if (since == 0)
                return board->oldest;
        size_t first = NO_SLOT;
        for (size_t s = board->newest; s != NO_SLOT; s = board->slots[s].older) {
                if (board->slots[s].sequence <= since)
                        break;
                first = s;
        }
        return first;
}

/* Fills CATCH_UP and sets UNTIL. */
static int collect_after(Board *board, uint64_t since) {
        buffer_clear(&board->catch_up);
        board->until = board->sequence;
        for (size_t s = first_after(board, since); s != NO_SLOT; s = board->slots[s].newer) {
                const Slot *slot = &board->slots[s];
                int r = buffer_append(&board->catch_up, slot->frame.data, slot->frame.length);
                if (r < 0)
                        return r;
                if (board->catch_up.length >= BOARD_CATCH_UP_BYTES) {
                        board->until = slot->sequence;
                        break;
                }
        }
        return 0;
}

int board_catch_up(Board *board, uint64_t since, const Buffer **ret, uint64_t *ret_until) {
        if (board->since != since || board->sequence_then != board->sequence) {
                board->since = UINT64_MAX; /* until the new answer is complete */
                int r = collect_after(board, since);
                if (r < 0)
                        return r;
                board->since = since;
                board->sequence_then = board->sequence;
        }
        *ret = &board->catch_up;
        *ret_until = board->until;
        return 0;
}

size_t board_count(const Board *board) {
        return board->n_slots;
}

int64_t board_newest_ms(const Board *board) {
        return board->newest_ms;
}
