// SPDX-License-Identifier: Apache-2.0
//
// The messages of guest 1's VMM to XenStore: whatever they are, the books stay right and another
// guest's nodes as they were.
#include <string>
#include <utility>

#include "services/xenstore/service/message_link.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/xenstore_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::XenstoreRequest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using pyrene::fuzz::Require;
  static auto& peer = *new pyrene::fuzz::Peer(
      pyrene::proto::SchemaId<pyrene::proto::XenstoreRequest>(), pyrene::proto::Side::kClient);
  pyrene::fuzz::XenstoreWorld world;
  {
    pyrene::xenstore::MessageLink link(world.server, std::move(*peer.Open()), 1);
    pyrene::fuzz::SendAll(peer, data, bytes, [&] {
      for (int i = 0; i < 8 && link.Serve(); ++i) peer.Drain();
    });
    Require(world.server.CheckAccounts().ok());
    Require(world.Read("/local/domain/2/name") == "two" && world.Read("/tool/kept") == "kept");
  }
  Require(world.server.CheckAccounts().ok());
  return 0;
}
