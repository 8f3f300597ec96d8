// SPDX-License-Identifier: Apache-2.0
//
// From a journal's records (proto/xenstore_journal.capnp) to the server that wrote them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/xenstore_journal.capnp.h"
#include "services/journal/log.h"
#include "services/xenstore/server.h"
#include "services/xenstore/xs_ring.h"

namespace pyrene::xenstore {

class Restorer {
 public:
  // `server` is fresh and outlives this; its observer ignores what it hears meanwhile.
  explicit Restorer(Server* server) : server_(server) {}

  // The next record, for Log::Replay and Log::Salvage. An error says why it can not be one.
  absl::Status Take(journal::Log::Record record);

  // Of all connections with a ring, as it was last. Those of connections that were closed are left
  // out.
  std::map<ConnectionId, RingState> TakeRings();

 private:
  bool Apply(proto::XenstoreRecord::Reader record);
  bool TakeSnapshotNode(proto::SnapshotNode::Reader node);

  Server* server_;
  std::map<ConnectionId, RingState> rings_;
  // Of a snapshot: the path of the last node, and where each of its components ends.
  std::string path_;
  std::vector<size_t> ends_;
};

}  // namespace pyrene::xenstore
