// SPDX-License-Identifier: Apache-2.0
//
// XenStore's answers and events to a VMM: each run of steps ends once, in its order, and no watch
// is told of another's event.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "services/vmm/service/store_client.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::XenstoreReply)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  using vmm::StoreClient;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::XenstoreRequest>(), proto::Side::kServer);
  StoreClient store(std::move(*peer.Open()), 0);
  unsigned ended = 0, asked = 0, changes = 0;
  const auto done = [&](unsigned number) {
    return [&ended, number](const absl::Status&) { fuzz::Require(ended++ == number); };
  };
  const xl::XenstoreNode node{"/a", "value", {{'n', 1}, {'r', 2}}};
  const auto ask = [&] {
    store.RunNext({StoreClient::Remove("/b"), StoreClient::Read("/a", [](absl::string_view) {})},
                  {StoreClient::WriteNode(node), StoreClient::SetPermissions(node)}, done(asked));
    ++asked;
  };
  // What a change is answered with, as a virtual disk does.
  store.Watch("/a", [&] {
    if (++changes < 20) ask();
  });
  // Ends itself, and is there again.
  std::function<void()> again = [&] {
    store.Unwatch("/b");
    if (changes < 10) store.Watch("/b", again);
  };
  store.Watch("/b", again);
  store.Run({StoreClient::WriteNode(node)}, {StoreClient::WriteNode(node)},
            {StoreClient::Remove("/c")}, done(asked++));
  ask();
  fuzz::SendAll(peer, data, bytes, [&] { store.OnWake(); });
  fuzz::Require(ended <= asked && (store.running() || ended == asked));
  return 0;
}
