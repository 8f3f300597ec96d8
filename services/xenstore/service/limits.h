// SPDX-License-Identifier: Apache-2.0
//
// What the service's memory (the manifest's heapKib) and its journal have room for. A guest's share
// is less than Xen's 2.5 MiB; Linux with a console uses about 6 KiB of it, a device about 4.
#pragma once

#include "services/xenstore/server.h"

namespace pyrene::xenstore {

inline constexpr uint64_t kKib = 1024;
inline constexpr size_t kMaxGuests = 16;
// All accounts together: guests' shares, and the rest for the toolstack and VMMs.
inline constexpr uint64_t kCapacity = 2816 * kKib;
// Unread output comes on top of `memory`: a reply, and events up to one beyond `events`.
inline constexpr Quota kGuestQuota = {
    .memory_soft = 80 * kKib, .memory = 104 * kKib, .events = 12 * kKib};
inline constexpr uint64_t kGuestShare = 128 * kKib;
static_assert(kMaxGuests * kGuestShare + 768 * kKib <= kCapacity);
// Of each half of the journal: the whole state and some changes before the next compaction. The
// state's part beyond the accounts is a half-received request for each guest.
inline constexpr uint64_t kChangesBytes = 512 * kKib;
inline constexpr uint64_t kJournalBytes = 2 * (kCapacity + kChangesBytes);

inline ServerOptions ServiceOptions() {
  ServerOptions options;
  options.guest_quota = kGuestQuota;
  options.capacity = kCapacity;
  options.guest_share = kGuestShare;
  options.max_guests = kMaxGuests;
  options.snapshot_limit = 512 * kKib;
  return options;
}

}  // namespace pyrene::xenstore
