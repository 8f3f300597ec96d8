// SPDX-License-Identifier: Apache-2.0
//
// What console's tests share: a serial line, a guest's end of its PV console ring, journals.
#pragma once

#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "runtime/host/objects.h"
#include "runtime/memory.h"
#include "runtime/notification.h"
#include "services/console/journal.h"
#include "services/console/pv_ring.h"
#include "services/console/serial_port.h"

namespace pyrene::console {

// A UART whose FIFO the test empties.
class FakePort : public SerialPort {
 public:
  int Get() override {
    if (typed.empty()) return -1;
    const char c = typed.front();
    typed.pop_front();
    return static_cast<unsigned char>(c);
  }
  bool Put(char c) override {
    if (room == 0) return false;
    --room;
    shown += c;
    return true;
  }
  bool Idle() override { return idle; }
  void WantTransmitInterrupt(bool is_wanted) override { wanted = is_wanted; }

  void TypeText(const std::string& text) { typed.insert(typed.end(), text.begin(), text.end()); }
  std::string TakeShown() { return std::exchange(shown, ""); }

  std::deque<char> typed;
  std::string shown;
  size_t room = ~size_t{0};
  bool idle = true;
  bool wanted = false;
};

// The guest's view of its ring's page (ABI 6), in Memory of its own.
class FakeGuest {
 public:
  struct Page {
    char in[1024];
    char out[2048];
    uint32_t in_cons, in_prod, out_cons, out_prod;
  };

  Page* page() const { return reinterpret_cast<Page*>(memory_.data()); }
  runtime::Handle handle() const { return handle_.get(); }
  runtime::Memory Map() const {
    return *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite);
  }
  // What console signals.
  const runtime::Notification& bell() const { return bell_; }
  runtime::Notification Peer() const {
    return runtime::Notification::Adopt(bell_.SignalHandle(1)->Release());
  }
  bool Rung() const { return bell_.Poll() != 0; }

  // As much of `text` as there is room for; how much.
  size_t Write(const std::string& text) {
    const uint32_t producer = page()->out_prod;
    const size_t room = 2048 - (producer - __atomic_load_n(&page()->out_cons, __ATOMIC_ACQUIRE));
    const size_t size = std::min(text.size(), room);
    for (uint32_t i = 0; i < size; ++i) page()->out[(producer + i) % 2048] = text[i];
    __atomic_store_n(&page()->out_prod, producer + static_cast<uint32_t>(size), __ATOMIC_RELEASE);
    return size;
  }
  std::string Read() {
    std::string text;
    const uint32_t producer = __atomic_load_n(&page()->in_prod, __ATOMIC_ACQUIRE);
    for (uint32_t& i = page()->in_cons; i != producer; ++i) text += page()->in[i % 1024];
    return text;
  }

 private:
  runtime::OwnedHandle handle_{
      *runtime::host::CreateObject(runtime::host::Kind::kMemory, runtime::kPageBytes)};
  runtime::Memory memory_ = Map();
  runtime::Notification bell_ = *runtime::Notification::Create();
};

// Memory for a journal with room for `guests`.
inline std::vector<uint64_t> JournalMemory(size_t guests) {
  return std::vector<uint64_t>((Journal::kFixedBytes + guests * kGuestBytes) / sizeof(uint64_t));
}
inline Journal Open(std::vector<uint64_t>& memory) {
  return Journal(memory.data(), memory.size() * sizeof(uint64_t));
}

}  // namespace pyrene::console
