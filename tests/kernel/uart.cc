// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/uart.h"

#include "kernel/abi/boot_info.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::kernel_test {
namespace {

// Outside of what runtime/address_window.h hands out.
constexpr uint64_t kUartAddress = kWindowAddress - 4096;
// PL011 (ARM DDI 0183): word offsets.
constexpr unsigned kData = 0x00 / 4;
constexpr unsigned kFlag = 0x18 / 4;
constexpr unsigned kControl = 0x30 / 4;
constexpr uint32_t kTransmitFull = 1u << 5;
constexpr uint32_t kEnableBoth = 1u << 0 | 1u << 8 | 1u << 9;

struct Uart {
  uint64_t base;
  uint32_t intid;
};
constexpr Uart kRaspberryPi4 = {0xfe201000, 153};
constexpr Uart kVirt = {0x09000000, 33};

bool mapped;
uint32_t intid;

void Put(char c) {
  volatile uint32_t* const uart = UartRegisters();
  while ((uart[kFlag] & kTransmitFull) != 0) {
  }
  uart[kData] = static_cast<unsigned char>(c);
}

}  // namespace

bool MapUart() {
  const auto& boot = *reinterpret_cast<const BootInfo*>(kStartInfoAddress);
  // The Pi's RAM begins at 0, virt's at 1 GiB.
  bool ram_at_zero = true;
  for (uint32_t i = 0; i < boot.memories; ++i) {
    const BootMemory& memory = boot.memory[i];
    if (memory.type == static_cast<uint32_t>(MemoryType::kDevice) && memory.base == 0)
      ram_at_zero = false;
  }
  const Uart& uart = ram_at_zero ? kRaspberryPi4 : kVirt;
  for (uint32_t i = 0; i < boot.memories; ++i) {
    const BootMemory& memory = boot.memory[i];
    if (memory.type != static_cast<uint32_t>(MemoryType::kDevice) || uart.base < memory.base ||
        uart.base - memory.base >= memory.pages * 4096)
      continue;
    mapped = sys::DomainMap(kSelfDomainCap, memory.cap, (uart.base - memory.base) / 4096,
                            kUartAddress, 1, rights::kRead | rights::kWrite) == Status::kOk;
  }
  if (!mapped) return false;
  intid = uart.intid;
  UartRegisters()[kControl] = kEnableBoth;
  return true;
}

volatile uint32_t* UartRegisters() { return reinterpret_cast<volatile uint32_t*>(kUartAddress); }

uint32_t UartIntid() { return intid; }

void Print(const char* text) {
  for (; *text != '\0'; ++text) {
    if (*text == '\n') Put('\r');
    Put(*text);
  }
}

}  // namespace pyrene::kernel_test

extern "C" void personality_write(int, const void* bytes, size_t count) {
  using pyrene::kernel_test::mapped;
  if (!mapped) return;
  const char* const text = static_cast<const char*>(bytes);
  for (size_t i = 0; i < count; ++i) {
    if (text[i] == '\n') pyrene::kernel_test::Put('\r');
    pyrene::kernel_test::Put(text[i]);
  }
}
