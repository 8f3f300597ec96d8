// SPDX-License-Identifier: Apache-2.0
//
// The messages of guest 1's VMM to XenStore: whatever they are, the books stay right and another
// guest's nodes as they were.
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/xenstore_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::XenstoreRequest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using pyrene::fuzz::Require;
  pyrene::fuzz::XenstoreWorld world;
  pyrene::fuzz::SendToStore(world, 1, data, bytes);
  Require(world.Read("/local/domain/2/name") == "two" && world.Read("/tool/kept") == "kept");
  Require(world.server.CheckAccounts().ok());
  return 0;
}
