// SPDX-License-Identifier: Apache-2.0
//
// PL011 UART (ARM DDI 0183): interrupt-driven input, output as far as the FIFO takes it. Registers
// are mapped by the caller.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::console {

class Pl011 {
 public:
  explicit Pl011(void* registers) : base_(static_cast<volatile uint32_t*>(registers)) {}

  // Keeps the firmware's baud rate. Receive and receive-timeout interrupts on. If the line runs
  // already, set by the kernel or a former driver, what is in its FIFOs stays: both registers may
  // only be written while the UART is off (3.3.7, 3.3.8), and turning it off drops bytes.
  void Start() {
    constexpr uint32_t kOn = kEnable | kTransmitEnable | kReceiveEnable;
    Write(Register::kInterruptClear, kAllInterrupts);
    if ((Read(Register::kControl) & kOn) != kOn ||
        Read(Register::kLineControl) != (kWord8 | kFifos)) {
      Write(Register::kControl, 0);
      Write(Register::kLineControl, kWord8 | kFifos);
      Write(Register::kControl, kOn);
    }
    Write(Register::kFifoLevels, kReceiveHalf | kTransmitEighth);
    Write(Register::kInterruptMask, kReceiveInterrupt | kTimeoutInterrupt);
  }

  // A byte from the line, or -1. Input with a framing, parity or break error is dropped.
  int Get() {
    while ((Read(Register::kFlag) & kReceiveEmpty) == 0) {
      const uint32_t data = Read(Register::kData);
      if ((data & kDataErrors) == 0) return static_cast<int>(data & 0xff);
    }
    return -1;
  }

  // False: the FIFO is full.
  bool Put(char c) {
    if ((Read(Register::kFlag) & kTransmitFull) != 0) return false;
    Write(Register::kData, static_cast<uint8_t>(c));
    return true;
  }

  // Whether the last bit of what was put is on the line.
  bool Idle() const { return (Read(Register::kFlag) & kBusy) == 0; }

  // Whether a transmit interrupt shall say that there is room again.
  void WantTransmitInterrupt(bool wanted) {
    Write(Register::kInterruptMask,
          kReceiveInterrupt | kTimeoutInterrupt | (wanted ? kTransmitInterrupt : 0));
  }
  void ClearInterrupts() { Write(Register::kInterruptClear, kAllInterrupts); }

 private:
  enum class Register : uint32_t {
    kData = 0x00,
    kFlag = 0x18,
    kLineControl = 0x2c,
    kControl = 0x30,
    kFifoLevels = 0x34,
    kInterruptMask = 0x38,
    kInterruptClear = 0x44,
  };
  static constexpr uint32_t kDataErrors = 0xf00;
  static constexpr uint32_t kBusy = 1u << 3;
  static constexpr uint32_t kReceiveEmpty = 1u << 4;
  static constexpr uint32_t kTransmitFull = 1u << 5;
  static constexpr uint32_t kFifos = 1u << 4;
  static constexpr uint32_t kWord8 = 3u << 5;
  static constexpr uint32_t kEnable = 1u << 0;
  static constexpr uint32_t kTransmitEnable = 1u << 8;
  static constexpr uint32_t kReceiveEnable = 1u << 9;
  static constexpr uint32_t kTransmitEighth = 0;
  static constexpr uint32_t kReceiveHalf = 2u << 3;
  static constexpr uint32_t kReceiveInterrupt = 1u << 4;
  static constexpr uint32_t kTransmitInterrupt = 1u << 5;
  static constexpr uint32_t kTimeoutInterrupt = 1u << 6;
  static constexpr uint32_t kAllInterrupts = 0x7ff;

  uint32_t Read(Register r) const { return base_[static_cast<uint32_t>(r) / 4]; }
  void Write(Register r, uint32_t value) { base_[static_cast<uint32_t>(r) / 4] = value; }

  volatile uint32_t* base_;
};

}  // namespace pyrene::console
