// SPDX-License-Identifier: Apache-2.0
#include "platform/bcm2711/emmc2/sdhci_host.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/clock.h"
#include "runtime/guarded.h"

namespace pyrene::emmc2 {
namespace {

using runtime::kMillisecond;

constexpr uint64_t kResetTimeout = 100 * kMillisecond;
constexpr uint64_t kCommandTimeout = 100 * kMillisecond;
// The longest that a card may take for a block, read or write (SD Physical Layer 4.6.2), doubled.
constexpr uint64_t kDataTimeout = 1000 * kMillisecond;
constexpr uint32_t kSlowHz = 400'000;
constexpr uint32_t kVersion3 = 2;
constexpr uint32_t kMaxDivider = 1023;

// Fields of the command register's upper half (2.2.6).
uint32_t CommandBits(const Command& command) {
  uint32_t bits = command.index << 8;
  switch (command.response) {
    case ResponseKind::kNone:
      break;
    case ResponseKind::kShort:
      bits |= 0x1a;
      break;
    case ResponseKind::kShortBusy:
      bits |= 0x1b;
      break;
    case ResponseKind::kUnchecked:
      bits |= 0x02;
      break;
    case ResponseKind::kLong:
      bits |= 0x09;
      break;
  }
  if (command.data != nullptr) bits |= 1 << 5;
  constexpr uint32_t kStop = 12;
  if (command.index == kStop) bits |= 3 << 6;  // abort
  return bits << 16;
}

}  // namespace

absl::Status SdhciHost::WaitClear(Register r, uint32_t bits, uint64_t timeout) {
  const uint64_t deadline = io_.Now() + timeout;
  while ((Read(r) & bits) != 0) {
    if (io_.Now() >= deadline)
      return absl::DeadlineExceededError(absl::StrCat("register 0x",
                                                      absl::Hex(static_cast<uint32_t>(r)),
                                                      " keeps 0x", absl::Hex(Read(r) & bits)));
  }
  return absl::OkStatus();
}

absl::Status SdhciHost::Reset() {
  const uint32_t version = Read(Register::kVersion) >> 16 & 0xff;
  if (version < kVersion3)
    return absl::NotFoundError(absl::StrCat("no SD host controller 3.00: version ", version));
  Write(Register::kClock, clock::kResetAll);
  absl::Status status = WaitClear(Register::kClock, clock::kResetAll, kResetTimeout);
  if (!status.ok()) return status;
  capabilities_ = Read(Register::kCapabilities);
  Write(Register::kSignalEnable, 0);
  Write(Register::kStatusEnable, status::kUsed);
  Write(Register::kStatus, ~uint32_t{0});
  SetBus(false, false);
  return SetClock(kSlowHz);
}

absl::Status SdhciHost::SetClock(uint32_t hz) {
  uint32_t base = (capabilities_ >> 8 & 0xff) * 1'000'000;
  if (base == 0) base = 100'000'000;  // not told (2.2.26): the board's clock, or slower
  const uint32_t divider = hz >= base ? 0 : std::min((base + 2 * hz - 1) / (2 * hz), kMaxDivider);
  const uint32_t value = clock::kLongestTimeout | (divider & 0xff) << 8 | (divider >> 8) << 6;
  Write(Register::kClock, value);
  Write(Register::kClock, value | clock::kInternal);
  const uint64_t deadline = io_.Now() + kResetTimeout;
  while ((Read(Register::kClock) & clock::kStable) == 0) {
    if (io_.Now() >= deadline) return absl::DeadlineExceededError("the clock does not get stable");
  }
  Write(Register::kClock, value | clock::kInternal | clock::kCard);
  return absl::OkStatus();
}

void SdhciHost::SetBus(bool four_bits, bool high_speed) {
  Write(Register::kHostControl, host_control::kPower33 | (adma() ? host_control::kAdma2 : 0) |
                                    (four_bits ? host_control::kFourBit : 0) |
                                    (high_speed ? host_control::kHighSpeed : 0));
}

absl::Status SdhciHost::WaitStatus(uint32_t wanted, uint64_t deadline) {
  for (;;) {
    const uint32_t now = Read(Register::kStatus);
    if ((now & (status::kErrors | status::kAnyError)) != 0) {
      Write(Register::kStatus, now);
      if ((now & (status::kCommandTimeout | status::kDataTimeout)) != 0)
        return absl::DeadlineExceededError("the card does not answer");
      return absl::DataLossError(absl::StrCat("transmission error, status 0x", absl::Hex(now)));
    }
    if ((now & wanted) != 0) {
      Write(Register::kStatus, now & wanted);
      return absl::OkStatus();
    }
    if (io_.Now() >= deadline) return absl::DeadlineExceededError("no interrupt in time");
    // Only what is waited for, so that nothing else keeps the line up.
    Write(Register::kSignalEnable, wanted | status::kErrors);
    io_.WaitInterrupt(deadline);
    Write(Register::kSignalEnable, 0);
  }
}

bool SdhciHost::UsesDma(const Data& data) const {
  const uint64_t bytes = uint64_t{data.blocks} * data.block_bytes;
  return adma() && data.physical != 0 && data.physical % 4 == 0 &&
         data.physical + table_.bus_offset + bytes <= uint64_t{1} << 32 &&
         (bytes + kAdmaBytes - 1) / kAdmaBytes <= table_.count;
}

// ADMA2 with 32-bit addresses (1.13.4): attributes 15:0, length 31:16, address 63:32.
void SdhciHost::Describe(const Data& data) {
  constexpr uint64_t kTransferValid = 0x21;
  constexpr uint64_t kEnd = 0x02;
  uint64_t left = uint64_t{data.blocks} * data.block_bytes;
  uint64_t at = data.physical + table_.bus_offset;
  size_t entry = 0;
  while (left != 0) {
    const uint64_t bytes = std::min<uint64_t>(left, kAdmaBytes);
    left -= bytes;
    table_.entries[entry++] = at << 32 | bytes << 16 | kTransferValid | (left == 0 ? kEnd : 0);
    at += bytes;
  }
  io_.CleanAndInvalidate(table_.entries, entry * sizeof(uint64_t));
  io_.CleanAndInvalidate(data.bytes, uint64_t{data.blocks} * data.block_bytes);
  Write(Register::kAdmaAddress, static_cast<uint32_t>(table_.physical + table_.bus_offset));
}

absl::Status SdhciHost::MoveByBuffer(const Data& data, uint64_t deadline) {
  std::array<uint32_t, block::kSectorBytes / sizeof(uint32_t)> words;
  const uint32_t ready = data.read ? present::kBufferRead : present::kBufferWrite;
  const uint32_t event = data.read ? status::kBufferRead : status::kBufferWrite;
  for (uint32_t i = 0; i < data.blocks; ++i) {
    uint8_t* const at = data.bytes + size_t{i} * data.block_bytes;
    // The event may be an earlier block's.
    while ((Read(Register::kPresent) & ready) == 0) {
      if (absl::Status status = WaitStatus(event, deadline); !status.ok()) return status;
    }
    if (!data.read && !runtime::GuardedCopy(words.data(), at, data.block_bytes))
      return runtime::MemoryGone();
    for (uint32_t word = 0; word < data.block_bytes / sizeof(uint32_t); ++word) {
      if (data.read) {
        words[word] = Read(Register::kBuffer);
      } else {
        Write(Register::kBuffer, words[word]);
      }
    }
    if (data.read && !runtime::GuardedCopy(at, words.data(), data.block_bytes))
      return runtime::MemoryGone();
  }
  return absl::OkStatus();
}

absl::StatusOr<Response> SdhciHost::Send(const Command& command) {
  const Data* const data = command.data;
  const bool busy = command.response == ResponseKind::kShortBusy;
  constexpr uint32_t kStop = 12;
  const uint32_t inhibit =
      present::kCommandInhibit |
      (data != nullptr || (busy && command.index != kStop) ? present::kDataInhibit : 0);
  if (absl::Status s = WaitClear(Register::kPresent, inhibit, kCommandTimeout); !s.ok()) return s;
  Write(Register::kStatus, status::kUsed);
  uint32_t mode = 0;
  const bool dma = data != nullptr && UsesDma(*data);
  if (data != nullptr) {
    Write(Register::kBlock, data->blocks << 16 | data->block_bytes);
    mode = (data->read ? transfer::kRead : 0) | (dma ? transfer::kDma : 0) |
           (data->blocks > 1 ? transfer::kMulti | transfer::kBlockCount : 0) |
           (data->auto_stop ? transfer::kAutoStop : 0);
    if (dma) Describe(*data);
  }
  Write(Register::kArgument, command.argument);
  Write(Register::kCommand, CommandBits(command) | mode);
  absl::Status status = WaitStatus(status::kCommandComplete, io_.Now() + kCommandTimeout);
  if (!status.ok()) return status;
  Response response{};
  for (uint32_t i = 0; i < response.size(); ++i) {
    response[i] = io_.Read(static_cast<uint32_t>(Register::kResponse0) + 4 * i);
  }
  const uint64_t deadline = io_.Now() + (command.timeout != 0 ? command.timeout : kDataTimeout);
  if (data != nullptr && !dma) status = MoveByBuffer(*data, deadline);
  if (status.ok() && (data != nullptr || busy))
    status = WaitStatus(status::kTransferComplete, deadline);
  if (!status.ok()) return status;
  if (dma && data->read)
    io_.CleanAndInvalidate(data->bytes, uint64_t{data->blocks} * data->block_bytes);
  return response;
}

absl::Status SdhciHost::Recover() {
  Write(Register::kClock, (Read(Register::kClock) & 0x00ffffff) | clock::kResetLines);
  absl::Status status = WaitClear(Register::kClock, clock::kResetLines, kResetTimeout);
  Write(Register::kStatus, ~uint32_t{0});
  return status;
}

// There is no interrupt for DAT0 without a command: looked at each millisecond.
absl::Status SdhciHost::WaitNotBusy(uint64_t timeout) {
  const uint64_t deadline = io_.Now() + timeout;
  while ((Read(Register::kPresent) & present::kData0) == 0) {
    if (io_.Now() >= deadline) return absl::DeadlineExceededError("the card stays busy");
    io_.WaitInterrupt(io_.Now() + kMillisecond);
  }
  return absl::OkStatus();
}

}  // namespace pyrene::emmc2
