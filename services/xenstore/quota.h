// SPDX-License-Identifier: Apache-2.0
//
// What one domain may use of the store, and what it uses. Limits bind the unprivileged; use is
// counted for all.
#pragma once

#include <cstdint>

namespace pyrene::xenstore {

// The defaults are Xen's for a guest (ABI 5.3) where Xen has the limit. A request that would pass
// one gets ENOSPC, except where noted. Counts are per domain, sizes in bytes.
struct Quota {
  uint64_t nodes = 1000;              // that it owns
  uint64_t watches = 128;             //
  uint64_t transactions = 10;         // open at a time
  uint64_t transaction_nodes = 1024;  // paths touched in one transaction
  uint64_t node_size = 2048;          // value and permissions of a node
  uint64_t permissions = 5;           // entries of a node
  uint64_t outstanding = 20;          // replies not yet in the ring; above, requests are not read
  uint64_t memory_soft =
      2 << 20;  // above, each reply must be in the ring before the next request is read
  uint64_t memory = 5 << 19;  // 2.5 MiB for nodes, watches, transactions and output
  uint64_t events =
      128 << 10;        // bytes of unread watch events; above, they are merged into one per watch
  uint64_t depth = 64;  // components of the path of a node it creates: bounds every walk
};

// What the back-ends get: unprivileged, but parts of the system. Generous, because they hold
// directories for every guest (250 guests with 250 nodes).
inline constexpr Quota kServiceQuota = {.nodes = 64 << 10,
                                        .watches = 8 << 10,
                                        .transactions = 64,
                                        .transaction_nodes = 16 << 10,
                                        .node_size = 4096,
                                        .permissions = 16,
                                        .memory_soft = 48 << 20,
                                        .memory = 64 << 20,
                                        .events = 1 << 20};

// Use by one domain. All of it is derived state: it can be counted afresh from the tree and the
// connections.
struct Account {
  uint64_t nodes = 0;
  uint64_t watches = 0;
  uint64_t transactions = 0;
  uint64_t memory = 0;

  bool operator==(const Account&) const = default;
  bool IsZero() const { return *this == Account{}; }
};

}  // namespace pyrene::xenstore
