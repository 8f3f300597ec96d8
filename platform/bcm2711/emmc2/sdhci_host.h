// SPDX-License-Identifier: Apache-2.0
//
// An SD host controller of version 3.00 or later: sends a command with its data, waits for its end
// by interrupt. Data goes by ADMA2 where the controller has it and the memory may be used so, else
// through the buffer register.
//
// Errors: DeadlineExceeded (no answer within the time), DataLoss (CRC or another transmission
// error), Unavailable (the data's memory is gone). After one of them Recover is to be called.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/bcm2711/emmc2/sdhci_io.h"
#include "platform/bcm2711/emmc2/sdhci_registers.h"
#include "platform/block/disk.h"

namespace pyrene::emmc2 {

enum class ResponseKind : uint8_t {
  kNone,
  kShort,      // R1, R6, R7: with CRC and index
  kShortBusy,  // R1b: the command ends when the card has ended busy
  kUnchecked,  // R3: no CRC, no index
  kLong,       // R2: CID, CSD
};

struct Data {
  bool read = true;
  uint32_t blocks = 1;
  uint32_t block_bytes = block::kSectorBytes;
  uint8_t* bytes = nullptr;  // blocks * block_bytes, touched by guarded copies
  uint64_t physical = 0;     // of `bytes`; 0: not by DMA
  bool auto_stop = false;
};

struct Command {
  uint32_t index = 0;
  uint32_t argument = 0;
  ResponseKind response = ResponseKind::kShort;
  const Data* data = nullptr;
  uint64_t timeout = 0;  // ns, for data and busy; 0: the usual
};

// Short: [0]. Long: bits 127..8 of R2 at bits 119..0.
using Response = std::array<uint32_t, 4>;

// Where ADMA2's descriptors are: memory that the controller reaches, below 4 GiB on its bus.
struct DescriptorTable {
  uint64_t* entries = nullptr;
  uint64_t physical = 0;
  size_t count = 0;
  uint64_t bus_offset = 0;  // what the controller's bus adds to a physical address
};

class SdhciHost {
 public:
  static constexpr uint32_t kAdmaBytes = 32768;  // by one descriptor

  SdhciHost(SdhciIo& io, DescriptorTable table) : io_(io), table_(table) {}

  // Everything as after power-on, bus of one bit, 400 kHz. NotFound: no controller that this driver
  // knows.
  absl::Status Reset();
  // At most `hz`; at most 25 MHz without high speed.
  absl::Status SetClock(uint32_t hz);
  void SetBus(bool four_bits, bool high_speed);

  absl::StatusOr<Response> Send(const Command& command);
  // After an error: the command and data lines are ready again.
  absl::Status Recover();
  // Until the card does not hold DAT0 low.
  absl::Status WaitNotBusy(uint64_t timeout);

  uint64_t Now() { return io_.Now(); }
  void Sleep(uint64_t ns) { io_.WaitInterrupt(io_.Now() + ns); }
  bool high_speed() const { return (capabilities_ & capabilities::kHighSpeed) != 0; }
  bool adma() const { return (capabilities_ & capabilities::kAdma2) != 0 && table_.count != 0; }
  bool writable() { return (Read(Register::kPresent) & present::kWritable) != 0; }

 private:
  uint32_t Read(Register r) { return io_.Read(static_cast<uint32_t>(r)); }
  void Write(Register r, uint32_t value) { io_.Write(static_cast<uint32_t>(r), value); }
  // Until `wanted` is in the status, which is cleared; or an error.
  absl::Status WaitStatus(uint32_t wanted, uint64_t deadline);
  // By looking at it again and again: what takes microseconds, and has no interrupt.
  absl::Status WaitClear(Register r, uint32_t bits, uint64_t timeout);
  bool UsesDma(const Data& data) const;
  void Describe(const Data& data);
  absl::Status MoveByBuffer(const Data& data, uint64_t deadline);

  SdhciIo& io_;
  DescriptorTable table_;
  uint32_t capabilities_ = 0;
};

}  // namespace pyrene::emmc2
