// SPDX-License-Identifier: Apache-2.0
//
// The messages of the toolstack to XenStore. It may do everything; the books stay right.
#include <utility>

#include "services/xenstore/service/message_link.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/xenstore_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::XenstoreRequest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static auto& peer = *new pyrene::fuzz::Peer(
      pyrene::proto::SchemaId<pyrene::proto::XenstoreRequest>(), pyrene::proto::Side::kClient);
  pyrene::fuzz::XenstoreWorld world;
  {
    pyrene::xenstore::MessageLink link(world.server, std::move(*peer.Open()), 0);
    pyrene::fuzz::SendAll(peer, data, bytes, [&] {
      for (int i = 0; i < 8 && link.Serve(); ++i) peer.Drain();
    });
  }
  pyrene::fuzz::Require(world.server.CheckAccounts().ok());
  return 0;
}
