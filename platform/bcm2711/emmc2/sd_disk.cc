// SPDX-License-Identifier: Apache-2.0
#include "platform/bcm2711/emmc2/sd_disk.h"

#include "absl/strings/str_cat.h"
#include "runtime/clock.h"
#include "runtime/log.h"

namespace pyrene::emmc2 {
namespace {

constexpr unsigned kTries = 3;
constexpr unsigned kIdentifications = 2;
constexpr uint64_t kLookPeriod = runtime::kSecond;

}  // namespace

absl::Status SdDisk::Identify() {
  absl::Status status;
  for (unsigned i = 0; i < kIdentifications; ++i) {
    status = card_.Identify();
    if (status.ok() || absl::IsNotFound(status)) break;
  }
  if (!status.ok()) return status;
  // The same card in a fresh state is the same medium.
  if (facts_.sectors != 0 && card_.identity() == identity_) return status;
  identity_ = card_.identity();
  const uint32_t medium = facts_.medium + 1;
  facts_ = {card_.sectors(),
            block::kSectorBytes,
            card_.read_only(),
            kMaxSectors,
            card_.can_erase() ? kMaxDiscard : 0,
            medium};
  return status;
}

absl::Status SdDisk::Open() { return Identify(); }

absl::Status SdDisk::Try(const block::DiskRequest& request) {
  switch (request.operation) {
    case block::Operation::kRead:
    case block::Operation::kWrite: {
      const block::DataMemory& memory = *request.memory;
      return card_.Transfer(
          request.sector,
          {.read = request.operation == block::Operation::kRead,
           .blocks = request.count,
           .bytes = memory.data + request.offset,
           .physical = memory.physical == 0 ? 0 : memory.physical + request.offset});
    }
    case block::Operation::kDiscard:
      return card_.Erase(request.sector, request.count);
    case block::Operation::kFlush:
      return card_.WaitReady();
  }
  return absl::OkStatus();
}

absl::Status SdDisk::TryAgain(const block::DiskRequest& request) {
  absl::Status status;
  for (unsigned i = 0; i < kTries; ++i) {
    if (status = Try(request); status.ok()) return status;
    runtime::LogWarning("sector ", request.sector, ", ", request.count,
                        " sectors: ", status.message());
    if (!card_.Recover().ok()) break;
  }
  return status;
}

void SdDisk::Start(const block::DiskRequest& request) {
  absl::Status status = TryAgain(request);
  if (!status.ok()) {
    const uint32_t medium = facts_.medium;
    const absl::Status found = Identify();
    if (!found.ok()) {
      runtime::LogError("the card is gone: ", found.message());
      facts_ = {.medium = medium + 1};
      look_at_ = io_.Now() + kLookPeriod;
    } else if (facts_.medium == medium) {
      status = TryAgain(request);
    }
    // Of another card nothing is to be read or written for this request.
    if (facts_.medium != medium) return Complete(request.tag, proto::BlockStatus::NO_MEDIUM);
  }
  if (!status.ok()) runtime::LogError("sector ", request.sector, " fails: ", status.message());
  Complete(request.tag, status.ok() ? proto::BlockStatus::OK : proto::BlockStatus::IO_ERROR);
}

void SdDisk::OnInterrupt() {
  if (look_at_ == runtime::kNever || io_.Now() < look_at_) return;
  look_at_ = runtime::kNever;
  if (Identify().ok()) {
    runtime::LogInfo("a card: ", card_.Description(), ", ", facts_.sectors, " sectors");
  } else {
    look_at_ = io_.Now() + kLookPeriod;
  }
}

}  // namespace pyrene::emmc2
