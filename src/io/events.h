/* The MESSAGE_ID= of every entry that an operator may want explained. What each means, for the
 * data and for him, stands under the same id in units/crypto-pulse.catalog: journalctl -x shows
 * it. An id is never given another meaning. */
#pragma once

#include "io/journal.h"

#define EVENT_SOURCE_UNREACHABLE "dafb6f7ca0a441c68139ecbf4248df5a"
#define EVENT_RATE_LIMITED "6f3e119f89f44a1c93282c02e094bfbf"
#define EVENT_KEY_REFUSED "82d3de9f3b2447cfa30f0f58e124dedc"
#define EVENT_CALL_REFUSED "6aaf633cf2bc4be5befd936ea1cc7c09"
#define EVENT_SOURCE_STALE "87306048232c4f03a208282ea6c99976"
#define EVENT_BUDGET_RUNNING_OUT "cc4873b18f5f4919b9f802c30c85d1e5"
#define EVENT_BROKER_UNREACHABLE "22dd903770844aa2b19daa41296675f5"
#define EVENT_BUFFER_FULL "190905904efd4bc180e49561d9b5cd25"
#define EVENT_DATABASE_UNREACHABLE "fb002860af684620a613e2da441d8080"
#define EVENT_CACHE_UNREACHABLE "b95e01c0296a4940a51bd0575a0c2aa9"
#define EVENT_POISON_MESSAGE "f18ab2dc99cf496d81eb135d8e5bd2c5"
#define EVENT_CONFIGURATION_REJECTED "9c8513c97ef442ffb2f63a669b8ccfde"
#define EVENT_CLIENTS_REFUSED "18d3777e749541e88bc25778f159c126"
#define EVENT_CANNOT_ACCEPT "e62914725b8c4a7087f99f772572f373"
#define EVENT_CANNOT_LISTEN "f6e28972524a4d2a8320e642a87ee9ac"
#define EVENT_CLOCK_BEHIND "e8f209b0ecf346e58edd7ada6088a7c4"
/* Written by the script crypto-pulse-setup. */
#define EVENT_SETUP_REFUSED "3e2f0506e2134200b44ea2993cd411f7"
#define EVENT_DATABASE_WENT_BACK "284804140c714e3ba6de46585093ffec"
#define EVENT_MESSAGES_EXPIRED "8880dbbd266d430cba2fd5ca905ba1dd"
#define EVENT_GAP_DETECTED "9531f2f1225e44aea826a2f809be4dc1"
#define EVENT_GAP_REPAIRED "d623d412473549d6ae655fde587d61ba"

/* The first of an entry's fields: LOG_FIELDS(LOG_EVENT(RATE_LIMITED), ...). */
#define LOG_EVENT(event) LOG_TEXT("MESSAGE_ID", EVENT_##event)
