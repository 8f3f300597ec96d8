// SPDX-License-Identifier: Apache-2.0
//
// A driver's messages to its client: an answer is believed once, and only to what was asked.
#include "platform/block/block_client.h"

#include <set>
#include <utility>

#include "proto/connect.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::BlockEvent)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  static auto& peer = *new fuzz::Peer(proto::SchemaId<proto::BlockRequest>(), proto::Side::kServer);
  std::set<uint32_t> asked;
  block::BlockClient client(std::move(*peer.Open()), [&](uint32_t id, proto::BlockStatus status) {
    fuzz::Require(asked.erase(id) == 1 && status <= proto::BlockStatus::NO_MEDIUM);
  });
  uint32_t next = 0;
  fuzz::SendAll(peer, data, bytes, [&] {
    client.OnWake();
    // Ids that answers are likely to name.
    if (next < 8 && client.Submit(next, {block::Operation::kRead, 8, 8, nullptr, 0, 0}).ok())
      asked.insert(next++);
    client.Flush();
    fuzz::Require(client.unanswered() == asked.size());
    fuzz::Require(client.depth() >= 1 && client.depth() <= block::BlockClient::kMaxDepth);
  });
  return 0;
}
