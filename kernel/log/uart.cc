// SPDX-License-Identifier: Apache-2.0
#include "kernel/log/uart.h"

#include "kernel/arch/mmio.h"

namespace pyrene::uart {
namespace {

// PL011 (ARM DDI 0183).
enum class Pl011 : uint32_t { kDr = 0x00, kFr = 0x18, kLcrh = 0x2c, kCr = 0x30 };
constexpr uint32_t kTransmitFull = 1u << 5;
constexpr uint32_t kWord8Fifo = 3u << 5 | 1u << 4;
constexpr uint32_t kEnable = 1u << 0 | 1u << 8 | 1u << 9;

arch::MmioRegion<Pl011> uart;
bool present;

void Put(char c) {
  while ((uart.Read(Pl011::kFr) & kTransmitFull) != 0) {
  }
  uart.Write(Pl011::kDr, static_cast<uint8_t>(c));
}

}  // namespace

void Init(uint64_t base) {
  uart = arch::MmioRegion<Pl011>(base);
  present = true;
  // The rate is the firmware's; format and enables are ours.
  uart.Write(Pl011::kLcrh, kWord8Fifo);
  uart.Write(Pl011::kCr, kEnable);
}

void Write(const char* text, size_t length) {
  if (!present) return;
  for (size_t i = 0; i < length; ++i) {
    if (text[i] == '\n') Put('\r');
    Put(text[i]);
  }
}

}  // namespace pyrene::uart
