// SPDX-License-Identifier: Apache-2.0
//
// Console's events to xl: what xl prints comes in its order, nothing is left out and nothing is
// shown twice, whatever console says that it has taken; what is typed was typed.
#include <algorithm>
#include <string>

#include "proto/message.h"
#include "services/xl/shell/terminal.h"
#include "tests/fuzz/xl_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::ConsoleEvent)

namespace {

// What console has got.
struct Shown {
  void Take(capnp::word* words, size_t count) {
    using pyrene::fuzz::Require;
    const absl::Status status = pyrene::proto::ReadMessage<pyrene::proto::ConsoleRequest>(
        kj::arrayPtr(words, count), [this](pyrene::proto::ConsoleRequest::Reader request) {
          if (!request.isTerminalWrite() || request.getId() <= last) return absl::OkStatus();
          last = request.getId();
          const auto text = request.getTerminalWrite().asChars();
          Require(printed.compare(bytes, text.size(), text.begin(), text.size()) == 0);
          bytes += text.size();
          return absl::OkStatus();
        });
    Require(status.ok());
  }

  std::string printed;
  size_t bytes = 0;
  uint32_t last = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::ConsoleRequest>(), proto::Side::kServer);
  Shown shown;
  fuzz::XlWorld world(peer, data, bytes,
                      [&shown](capnp::word* words, size_t count) { shown.Take(words, count); });
  xl::Terminal terminal(world.waiter(), world.Open(), fuzz::XlWorld::kClientBit);
  fuzz::Require(terminal.Start().ok());
  size_t typed = 0;
  for (unsigned turn = 0; !world.waiter().stopped(); ++turn) {
    world.waiter().ClearInterrupt();
    terminal.SetBusy(false);
    // More than the ring has room for, now and then.
    std::string text((turn + 2) % 3 * 10000, static_cast<char>('a' + turn % 26));
    text += '\n';
    shown.printed += text;
    terminal.Print(text);
    terminal.SetBusy(turn % 2 == 1);
    static_cast<void>(terminal.Attach(1));
    terminal.Detach();
    static_cast<void>(terminal.ReadLog(0));
    static_cast<void>(terminal.ClearLog());
    terminal.Drain(runtime::kSecond);
    terminal.WaitForLine();
    // Every other turn what was typed is left for the next.
    for (; turn % 2 == 0 && terminal.HasInput(); ++typed) terminal.TakeByte();
  }
  fuzz::Require(typed <= bytes);
  return 0;
}
