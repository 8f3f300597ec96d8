// SPDX-License-Identifier: Apache-2.0
//
// A VMM's messages to console: text, starts and stops of its guest. What is kept stays bounded.
#include <string>
#include <vector>

#include "proto/connect.h"
#include "services/console/vmm_link.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/unit/console_test_util.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::ConsoleRequest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  // While somebody is attached, the guest's ring has room in what is kept.
  constexpr uint32_t kLimit = console::kGuestBytes - console::PvRing::kOutBytes;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::ConsoleRequest>(), proto::Side::kClient);
  std::vector<uint64_t> memory = console::JournalMemory(1);
  console::Journal journal(memory.data(), memory.size() * sizeof(uint64_t));
  console::GuestConsole guest(5, journal.TakeSlot(5));
  // Nearly full, so that an input is long enough to fill it; or with no room for a message.
  const size_t room = bytes / 8 % 2 == 0 ? 2 * 4096 + 16 : 1000;
  guest.AddText(0, std::string(kLimit - room, 'x'));
  console::VmmLink link(std::move(*peer.Open()));
  bool attached = true;
  unsigned turn = 0;
  fuzz::SendAll(peer, data, bytes, [&] {
    const uint32_t before = guest.output().used();
    static_cast<void>(link.Serve(guest, attached));
    fuzz::Require(guest.output().used() <=
                  (attached && before <= kLimit ? kLimit : console::kGuestBytes));
    if (++turn % 8 == 0) attached = !attached;
  });
  return 0;
}
