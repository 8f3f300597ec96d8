// SPDX-License-Identifier: Apache-2.0
//
// A client: a guest with its ring, or a service with its messages; and what the store knows of a
// domain.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "services/xenstore/mutation.h"
#include "services/xenstore/out_queue.h"
#include "services/xenstore/transaction.h"

namespace pyrene::xenstore {

struct Connection {
  ConnectionId id = kNoConnection;
  Credential credential;
  bool ring = false;

  std::map<uint32_t, Transaction> transactions;
  uint32_t last_transaction = 0;
  // Path and token of each of its watches, which are in the server's table.
  std::vector<std::pair<std::string, std::string>> watches;
  bool merged_events = false;  // one of its watches is owed an event (Watch::merged)
  OutQueue output;

  // Guests whose changes made this service's transactions fail since one last ended well, and until
  // when they are held back: a time in nanoseconds, 0 while they are not.
  absl::flat_hash_set<ConnectionId> rivals;
  uint64_t hold_until = 0;
};

// The features of a ring that a guest is told of (ABI 5.1).
inline constexpr uint32_t kFeatureReconnect = 1;
inline constexpr uint32_t kFeatureError = 2;
inline constexpr uint32_t kFeatureWatchDepth = 4;
inline constexpr uint32_t kServerFeatures = kFeatureReconnect | kFeatureError | kFeatureWatchDepth;

// A guest domain that was introduced.
struct Domain {
  bool shut_down = false;  // it stopped by itself; told by @releaseDomain once
  uint64_t gfn = 0;        // of the ring page
  uint32_t port = 0;       // of its event channel
  DomId target = kNobody;
  ConnectionId connection = kNoConnection;
};

}  // namespace pyrene::xenstore
