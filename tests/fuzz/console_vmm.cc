// SPDX-License-Identifier: Apache-2.0
//
// A VMM's messages to console: text, starts and stops of its guest. What is kept stays bounded.
#include <vector>

#include "proto/connect.h"
#include "services/console/vmm_link.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/unit/console_test_util.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::ConsoleRequest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::ConsoleRequest>(), proto::Side::kClient);
  std::vector<uint64_t> memory = console::JournalMemory(1);
  console::Journal journal(memory.data(), memory.size() * sizeof(uint64_t));
  console::GuestConsole guest(5, journal.TakeSlot(5));
  console::VmmLink link(std::move(*peer.Open()));
  bool attached = false;
  fuzz::SendAll(peer, data, bytes, [&] {
    static_cast<void>(link.Serve(guest, attached));
    fuzz::Require(guest.output().used() <= console::kGuestBytes);
    attached = !attached;
  });
  return 0;
}
