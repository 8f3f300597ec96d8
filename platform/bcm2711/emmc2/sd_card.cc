// SPDX-License-Identifier: Apache-2.0
#include "platform/bcm2711/emmc2/sd_card.h"

#include "absl/strings/str_cat.h"
#include "runtime/clock.h"

namespace pyrene::emmc2 {
namespace {

using runtime::kMillisecond;

enum : uint32_t {
  kGoIdle = 0,
  kAllSendCid = 2,
  kSendAddress = 3,
  kSwitch = 6,
  kSetBusWidth = 6,  // ACMD
  kSelect = 7,
  kSendCondition = 8,
  kSendCsd = 9,
  kStop = 12,
  kSendStatus = 13,
  kSetBlockLength = 16,
  kReadSingle = 17,
  kReadMultiple = 18,
  kSetBlockCount = 23,
  kWriteSingle = 24,
  kWriteMultiple = 25,
  kEraseFirst = 32,
  kEraseLast = 33,
  kErase = 38,
  kOperatingCondition = 41,  // ACMD
  kSendScr = 51,             // ACMD
  kApplication = 55,
};

constexpr uint32_t k33Volt = 0x1aa;  // of CMD8: 2.7-3.6 V and a pattern that comes back
constexpr uint32_t kVoltages = 0x00ff8000;
constexpr uint32_t kHighCapacity = 1u << 30;
constexpr uint32_t kPoweredUp = 1u << 31;
constexpr uint64_t kPowerUpTimeout = 1000 * kMillisecond;  // 4.2.3
constexpr uint64_t kBusyTimeout = 1000 * kMillisecond;
constexpr uint64_t kEraseTimeout = 4000 * kMillisecond;
constexpr uint32_t kSlowClock = 25'000'000;
constexpr uint32_t kFastClock = 50'000'000;

// Card status (4.10.1): all that says that a command did not do what it was to do.
constexpr uint32_t kCardErrors = 0xfdf98008;
constexpr uint32_t kReadyForData = 1 << 8;
constexpr uint32_t kStateMask = 0xf << 9;
constexpr uint32_t kTransferState = 4 << 9;

}  // namespace

absl::StatusOr<uint32_t> SdCard::Send(uint32_t index, uint32_t argument, ResponseKind kind,
                                      const Data* data) {
  const absl::StatusOr<Response> response =
      host_.Send({index, argument, kind, data, index == kErase ? kEraseTimeout : 0});
  if (!response.ok()) {
    return absl::Status(response.status().code(),
                        absl::StrCat("CMD", index, ": ", response.status().message()));
  }
  return (*response)[0];
}

absl::StatusOr<uint32_t> SdCard::SendChecked(uint32_t index, uint32_t argument, ResponseKind kind,
                                             const Data* data) {
  absl::StatusOr<uint32_t> card = Send(index, argument, kind, data);
  if (card.ok() && (*card & kCardErrors) != 0)
    return absl::DataLossError(absl::StrCat("CMD", index, ": card status 0x", absl::Hex(*card)));
  return card;
}

absl::StatusOr<uint32_t> SdCard::SendApplication(uint32_t index, uint32_t argument,
                                                 ResponseKind kind, const Data* data) {
  absl::StatusOr<uint32_t> announced = SendChecked(kApplication, address_);
  if (!announced.ok()) return announced;
  return Send(index, argument, kind, data);
}

// To state `ready`; says whether it is a card of more than 2 GiB.
absl::Status SdCard::PowerUp() {
  absl::StatusOr<uint32_t> answer = Send(kGoIdle, 0, ResponseKind::kNone);
  if (!answer.ok()) return answer.status();
  answer = Send(kSendCondition, k33Volt);
  const bool version2 = answer.ok() && (*answer & 0xfff) == k33Volt;
  if (!version2) {
    // Version 1 does not know CMD8; CMD0 again, so that its complaint is gone.
    if (absl::Status status = host_.Recover(); !status.ok()) return status;
    answer = Send(kGoIdle, 0, ResponseKind::kNone);
    if (!answer.ok()) return answer.status();
  }
  const uint64_t deadline = host_.Now() + kPowerUpTimeout;
  const uint32_t wanted = kVoltages | (version2 ? kHighCapacity : 0);
  for (;;) {
    answer = SendApplication(kOperatingCondition, wanted, ResponseKind::kUnchecked);
    if (!answer.ok()) {
      static_cast<void>(host_.Recover());
      return absl::NotFoundError("no card");
    }
    if ((*answer & kPoweredUp) != 0) break;
    if (host_.Now() >= deadline) return absl::DeadlineExceededError("the card does not power up");
    host_.Sleep(kMillisecond);
  }
  by_sector_ = (*answer & kHighCapacity) != 0;
  return absl::OkStatus();
}

absl::Status SdCard::Identify() {
  address_ = 0;
  fast_ = false;
  // A former life of the driver may have left a write under way.
  static_cast<void>(host_.WaitNotBusy(kBusyTimeout));
  absl::Status status = host_.Reset();
  if (status.ok()) status = PowerUp();
  if (!status.ok()) return status;
  const absl::StatusOr<Response> cid = host_.Send({kAllSendCid, 0, ResponseKind::kLong});
  if (!cid.ok()) return cid.status();
  cid_ = *cid;
  const absl::StatusOr<uint32_t> address = Send(kSendAddress, 0);
  if (!address.ok()) return address.status();
  address_ = *address & 0xffff0000;
  const absl::StatusOr<Response> csd = host_.Send({kSendCsd, address_, ResponseKind::kLong});
  if (!csd.ok()) return csd.status();
  const absl::StatusOr<CardData> parsed = ParseCsd(*csd);
  if (!parsed.ok()) return parsed.status();
  data_ = *parsed;
  const absl::StatusOr<uint32_t> selected =
      SendChecked(kSelect, address_, ResponseKind::kShortBusy);
  if (!selected.ok()) return selected.status();
  return Configure();
}

absl::Status SdCard::Configure() {
  absl::Status status = host_.SetClock(kSlowClock);
  if (!status.ok()) return status;
  absl::StatusOr<uint32_t> answer = SendChecked(kSetBlockLength, block::kSectorBytes);
  if (!answer.ok()) return answer.status();
  alignas(8) std::array<uint8_t, 8> scr{};
  const Data data{.read = true, .blocks = 1, .block_bytes = 8, .bytes = scr.data()};
  answer = SendApplication(kSendScr, 0, ResponseKind::kShort, &data);
  if (!answer.ok()) return answer.status();
  configuration_ = ParseScr(scr);
  if (configuration_.four_bits) {
    answer = SendApplication(kSetBusWidth, 2, ResponseKind::kShort);
    if (!answer.ok()) return answer.status();
    host_.SetBus(true, false);
  }
  return data_.has_switch && host_.high_speed() ? SwitchHighSpeed() : absl::OkStatus();
}

// 4.3.10: function 1 of group 1; the answer's bits 379:376 say what the card does now.
absl::Status SdCard::SwitchHighSpeed() {
  constexpr uint32_t kSetHighSpeed = 0x80fffff1;
  alignas(8) std::array<uint8_t, 64> functions{};
  const Data data{.read = true, .blocks = 1, .block_bytes = 64, .bytes = functions.data()};
  const absl::StatusOr<uint32_t> answer =
      SendChecked(kSwitch, kSetHighSpeed, ResponseKind::kShort, &data);
  if (!answer.ok()) return answer.status();
  if ((functions[16] & 0xf) != 1) return absl::OkStatus();
  fast_ = true;
  host_.SetBus(configuration_.four_bits, true);
  return host_.SetClock(kFastClock);
}

std::string SdCard::Description() const {
  constexpr uint64_t kLargestSdhc = uint64_t{32} << 21;  // sectors
  return absl::StrCat(!by_sector_                     ? "SDSC"
                      : data_.sectors <= kLargestSdhc ? "SDHC"
                                                      : "SDXC",
                      configuration_.four_bits ? ", 4 bits" : ", 1 bit",
                      fast_ ? ", high speed" : "", host_.adma() ? ", ADMA2" : ", no DMA");
}

uint32_t SdCard::Address(uint64_t sector) const {
  return static_cast<uint32_t>(by_sector_ ? sector : sector * block::kSectorBytes);
}

absl::Status SdCard::Transfer(uint64_t sector, Data data) {
  const bool multiple = data.blocks > 1;
  if (multiple && configuration_.set_block_count) {
    const absl::StatusOr<uint32_t> count = SendChecked(kSetBlockCount, data.blocks);
    if (!count.ok()) return count.status();
  }
  data.auto_stop = multiple && !configuration_.set_block_count;
  const uint32_t index = data.read ? (multiple ? kReadMultiple : kReadSingle)
                                   : (multiple ? kWriteMultiple : kWriteSingle);
  const absl::StatusOr<uint32_t> answer =
      SendChecked(index, Address(sector), ResponseKind::kShort, &data);
  if (!answer.ok()) return answer.status();
  return data.read ? absl::OkStatus() : WaitReady();
}

absl::Status SdCard::Erase(uint64_t sector, uint32_t count) {
  absl::StatusOr<uint32_t> answer = SendChecked(kEraseFirst, Address(sector));
  if (answer.ok()) answer = SendChecked(kEraseLast, Address(sector + count - 1));
  if (answer.ok()) answer = SendChecked(kErase, 0, ResponseKind::kShortBusy);
  return answer.ok() ? WaitReady() : answer.status();
}

// The card's errors of the write come with the status that follows it.
absl::Status SdCard::WaitReady() {
  const uint64_t deadline = host_.Now() + kBusyTimeout;
  for (;;) {
    const absl::StatusOr<uint32_t> card = SendChecked(kSendStatus, address_);
    if (!card.ok()) return card.status();
    if ((*card & kReadyForData) != 0 && (*card & kStateMask) == kTransferState)
      return host_.WaitNotBusy(kBusyTimeout);
    if (host_.Now() >= deadline) return absl::DeadlineExceededError("the card stays busy");
    host_.Sleep(kMillisecond);
  }
}

absl::Status SdCard::Recover() {
  absl::Status status = host_.Recover();
  if (!status.ok()) return status;
  // In state `tran` the card does not answer CMD12: that is no error here.
  if (!Send(kStop, 0, ResponseKind::kShortBusy).ok()) status = host_.Recover();
  if (status.ok()) {
    // The first status tells the errors of what failed.
    static_cast<void>(Send(kSendStatus, address_));
    status = WaitReady();
  }
  return status;
}

}  // namespace pyrene::emmc2
