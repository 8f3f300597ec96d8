// SPDX-License-Identifier: Apache-2.0
#include "services/init/halt.h"

#include "absl/strings/ascii.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::init {
namespace {

volatile uint32_t* uart;
void (*hook)();

// PL011 (ARM DDI 0183): byte offsets of data and flags; transmit FIFO full.
constexpr unsigned kData = 0x00;
constexpr unsigned kFlags = 0x18;
constexpr uint32_t kTransmitFull = 1 << 5;

void Put(char c) {
  if (uart == nullptr) return;
  while ((uart[kFlags / 4] & kTransmitFull) != 0) {
  }
  uart[kData / 4] = static_cast<uint8_t>(c);
}

void Write(absl::string_view text) {
  for (const char c : text) Put(c);
}

}  // namespace

void SetHaltUart(volatile uint32_t* registers) { uart = registers; }

void SetHaltHook(void (*stop_services)()) { hook = stop_services; }

void Halt(absl::string_view text) {
  if (void (*stop)() = hook; stop != nullptr) {
    hook = nullptr;  // it may fail itself
    stop();
  }
  Write("\r\nPANIC: init: ");
  // It may quote what is damaged.
  for (const char c : text) Put(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?');
  Write("\r\nsystem halted\r\n");
  sys::ThreadExit(1);
}

}  // namespace pyrene::init
