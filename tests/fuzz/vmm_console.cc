// SPDX-License-Identifier: Apache-2.0
//
// Console's events to a VMM: nobody is told that console has what was never sent to it.
#include <string>
#include <utility>

#include "services/vmm/service/console_client.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::ConsoleEvent)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::ConsoleRequest>(), proto::Side::kServer);
  vmm::ConsoleClient console(std::move(*peer.Open()), 0);
  unsigned turn = 0, sent = 0, stops = 0, told = 0;
  console.Started(1);
  peer.Connect();
  for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
    // Each third message is said before what the VMM says is taken out of the ring.
    static_cast<void>(console.AddText("text of the guest's\n" + std::string(turn * 100, 'x')));
    if (++turn % 4 == 0) {
      ++stops;
      console.Stopped([&told] { ++told; });
    }
    if (turn % 3 != 0) sent += peer.Drain() != 0;
    static_cast<void>(peer.Send(message));
    console.OnWake();
    fuzz::Require(told <= stops && (told == 0 || sent != 0));
    if (peer.Broken()) peer.Connect();
  }
  return 0;
}
