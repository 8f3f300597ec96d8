// SPDX-License-Identifier: Apache-2.0
//
// The messages of xl to console: text for the terminal, attach and detach, the log. What is kept
// stays bounded, and what xl is answered is what it asked for.
#include <string>
#include <vector>

#include "proto/connect.h"
#include "services/console/log_store.h"
#include "services/console/multiplexer.h"
#include "services/console/xl_link.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/unit/console_test_util.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::ConsoleRequest)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::ConsoleRequest>(), proto::Side::kClient);
  std::vector<uint64_t> memory = console::JournalMemory(2);
  console::Journal journal(memory.data(), memory.size() * sizeof(uint64_t));
  console::FakePort port;
  console::Multiplexer multiplexer(journal, port);
  console::LogStore log(journal);
  for (int i = 0; i < 100; ++i) log.Append("a line of some length of the log, number x\n");
  multiplexer.AddGuest(1).AddText(0, "what the first guest said\n");
  multiplexer.AddGuest(2);
  console::XlLink link(std::move(*peer.Open()), journal, multiplexer, log,
                       [&] { multiplexer.AddGuest(3); });
  unsigned turn = 0;
  fuzz::SendAll(peer, data, bytes, [&] {
    ++turn;
    if (turn % 3 == 0) port.TypeText("typed\x1d");
    port.room = turn % 4 == 0 ? 0 : 512;
    static_cast<void>(multiplexer.Receive());
    multiplexer.DeliverInput();
    static_cast<void>(link.Serve());
    static_cast<void>(multiplexer.Transmit());
    if (turn % 16 == 0) multiplexer.RemoveGuest(2);
    const uint16_t attached = multiplexer.attached();
    fuzz::Require(attached == 0 || multiplexer.FindGuest(attached) != nullptr);
    fuzz::Require(journal.line().used() <= console::kLineBytes);
  });
  return 0;
}
