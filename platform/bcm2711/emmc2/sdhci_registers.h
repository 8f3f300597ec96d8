// SPDX-License-Identifier: Apache-2.0
//
// Registers of an SD host controller (SD Host Controller Simplified Specification 3.00, chapter 2),
// as words: narrower registers are fields of them.
#pragma once

#include <cstdint>

namespace pyrene::emmc2 {

enum class Register : uint32_t {
  kBlock = 0x04,  // 11:0 size in bytes, 31:16 count
  kArgument = 0x08,
  kCommand = 0x0c,  // 15:0 transfer mode, 31:16 command: writing it sends the command
  kResponse0 = 0x10,
  kBuffer = 0x20,
  kPresent = 0x24,
  kHostControl = 0x28,  // 7:0 host control 1, 15:8 power
  kClock = 0x2c,        // 15:0 clock, 23:16 data time-out, 31:24 software reset
  kStatus = 0x30,       // 15:0 normal, 31:16 errors; write 1 to clear
  kStatusEnable = 0x34,
  kSignalEnable = 0x38,
  kCapabilities = 0x40,
  kAdmaAddress = 0x58,
  kVersion = 0xfc,  // 23:16 of the specification: 2 is 3.00
};

namespace transfer {
inline constexpr uint32_t kDma = 1 << 0;
inline constexpr uint32_t kBlockCount = 1 << 1;
inline constexpr uint32_t kAutoStop = 1 << 2;  // CMD12 by the controller
inline constexpr uint32_t kRead = 1 << 4;
inline constexpr uint32_t kMulti = 1 << 5;
}  // namespace transfer

namespace present {
inline constexpr uint32_t kCommandInhibit = 1 << 0;
inline constexpr uint32_t kDataInhibit = 1 << 1;
inline constexpr uint32_t kBufferWrite = 1 << 10;
inline constexpr uint32_t kBufferRead = 1 << 11;
inline constexpr uint32_t kWritable = 1 << 19;  // the write protect pin's level
inline constexpr uint32_t kData0 = 1 << 20;     // DAT0's level: low while the card is busy
}  // namespace present

namespace host_control {
inline constexpr uint32_t kFourBit = 1 << 1;
inline constexpr uint32_t kHighSpeed = 1 << 2;
inline constexpr uint32_t kAdma2 = 2 << 3;
inline constexpr uint32_t kPower33 = 0xf << 8;  // 3.3 V, on
}  // namespace host_control

namespace clock {
inline constexpr uint32_t kInternal = 1 << 0;
inline constexpr uint32_t kStable = 1 << 1;
inline constexpr uint32_t kCard = 1 << 2;
inline constexpr uint32_t kLongestTimeout = 0xe << 16;
inline constexpr uint32_t kResetAll = 1 << 24;
inline constexpr uint32_t kResetLines = 6 << 24;  // command and data
}  // namespace clock

namespace status {
inline constexpr uint32_t kCommandComplete = 1 << 0;
inline constexpr uint32_t kTransferComplete = 1 << 1;
inline constexpr uint32_t kBufferWrite = 1 << 4;
inline constexpr uint32_t kBufferRead = 1 << 5;
inline constexpr uint32_t kAnyError = 1 << 15;
inline constexpr uint32_t kCommandTimeout = 1 << 16;
inline constexpr uint32_t kCommandCrc = 1 << 17;
inline constexpr uint32_t kDataTimeout = 1 << 20;
inline constexpr uint32_t kDataCrc = 1 << 21;
inline constexpr uint32_t kErrors = 0xffff0000;
inline constexpr uint32_t kUsed =
    kCommandComplete | kTransferComplete | kBufferWrite | kBufferRead | kErrors;
}  // namespace status

namespace capabilities {
inline constexpr uint32_t kAdma2 = 1 << 19;
inline constexpr uint32_t kHighSpeed = 1 << 21;
}  // namespace capabilities

}  // namespace pyrene::emmc2
