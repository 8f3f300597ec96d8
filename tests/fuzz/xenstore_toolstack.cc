// SPDX-License-Identifier: Apache-2.0
//
// The messages of the toolstack to XenStore. It may do everything; the books stay right.
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/xenstore_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::XenstoreRequest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  pyrene::fuzz::XenstoreWorld world;
  pyrene::fuzz::SendToStore(world, 0, data, bytes);
  pyrene::fuzz::Require(world.server.CheckAccounts().ok());
  return 0;
}
