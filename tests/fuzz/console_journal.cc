// SPDX-License-Identifier: Apache-2.0
//
// A console's journal with any bytes in it, as a life that went wrong may leave them: the next life
// serves guests, xl and the log from it, within its own memory.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "services/console/guest_console.h"
#include "services/console/log_store.h"
#include "services/console/multiplexer.h"
#include "tests/fuzz/require.h"
#include "tests/unit/console_test_util.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  std::vector<uint64_t> memory = console::JournalMemory(2);
  const size_t all = memory.size() * sizeof(uint64_t);
  {
    // A right one, and then the input over its state.
    console::Journal former(memory.data(), all);
    static_cast<void>(former.TakeSlot(7));
    static_cast<void>(former.TakePosition("vmm.7"));
  }
  auto* const to = reinterpret_cast<uint8_t*>(memory.data());
  for (size_t i = 0; i < std::min<size_t>(bytes, 4096); ++i) to[i] ^= data[i];

  console::Journal journal(memory.data(), all);
  console::FakePort port;
  console::Multiplexer multiplexer(journal, port);
  console::LogStore log(journal);
  for (const uint16_t domid : {7, 8, 9}) multiplexer.AddGuest(domid).AddText(1, "words\n");
  multiplexer.EndAdoption();
  log.Append("a line\n");
  for (const uint64_t from : {uint64_t{0}, ~uint64_t{0}}) {
    const console::LogStore::Part part = log.Read(from, 4096);
    fuzz::Require(part.text.size() <= 4096 && part.position <= log.end());
  }
  for (const char* name : {"vmm.7", "vmm.8", "xl"}) {
    if (uint64_t* const position = journal.TakePosition(name); position != nullptr) *position += 1;
  }
  journal.FreePosition("vmm.7");
  static_cast<void>(multiplexer.Attach(8));
  multiplexer.Write(5, "text for the line\n");
  port.TypeText("in");
  for (int i = 0; i < 8; ++i) {
    static_cast<void>(multiplexer.Receive());
    multiplexer.DeliverInput();
    static_cast<void>(multiplexer.Transmit());
  }
  multiplexer.RemoveGuest(8);
  fuzz::Require(journal.line().used() <= console::kLineBytes);
  fuzz::Require(journal.input().used() <= console::kInputBytes);
  return 0;
}
