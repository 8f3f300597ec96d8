// SPDX-License-Identifier: Apache-2.0
#include "services/fs/disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/clock.h"
#include "runtime/kill_point.h"

namespace pyrene::fs {
namespace {

// A driver needs so long to find its device and to identify a card, at most.
constexpr uint64_t kComesUpWithin = 3 * runtime::kSecond;
// Longer than a driver's own retries, and its restarts with their back-off; shorter than a client
// waits for fs.
constexpr uint64_t kAnswersWithin = 8 * runtime::kSecond;

}  // namespace

Disk::Disk(runtime::EventLoop& loop, proto::Channel channel, runtime::Memory data,
           std::function<bool()> ended)
    : loop_(loop),
      data_(std::move(data)),
      ended_(std::move(ended)),
      started_(runtime::MonotonicNow()),
      client_(std::move(channel), [this](uint32_t, proto::BlockStatus status) {
        status_ = status;
        answered_ = true;
      }) {}

absl::Status Disk::Until(const std::function<bool()>& done, uint64_t deadline) {
  while (!done()) {
    if (ended_()) return absl::CancelledError("fs ends");
    if (runtime::MonotonicNow() >= deadline) return absl::DeadlineExceededError("");
    if (absl::Status status = loop_.RunOnce(deadline); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Disk::WaitForMedium() {
  absl::Status status = Until([this] { return client_.has_facts(); }, started_ + kComesUpWithin);
  if (absl::IsDeadlineExceeded(status))
    return absl::FailedPreconditionError("there is no disk: its driver has not come up");
  if (status.ok() && client_.facts().sectors == 0)
    return absl::FailedPreconditionError("there is no card in the slot");
  return status;
}

bool Disk::HasMedium() const {
  return client_.has_facts() && client_.facts().sectors != 0 && client_.facts().medium == medium_;
}

size_t Disk::Most() const {
  const uint64_t most =
      std::min<uint64_t>(data_.size(), uint64_t{client_.facts().max_sectors} * kSectorBytes);
  return most / kSectorBytes * kSectorBytes;
}

absl::Status Disk::Read(uint64_t sector, absl::Span<uint8_t> to) {
  const size_t most = Most();
  if (most == 0) return absl::UnavailableError("the disk has no medium");
  while (!to.empty()) {
    const absl::Span<uint8_t> part = to.first(std::min(to.size(), most));
    absl::Status status = Request(block::Operation::kRead, sector, part.size());
    if (!status.ok()) return status;
    std::memcpy(part.data(), data_.data(), part.size());
    sector += part.size() / kSectorBytes;
    to.remove_prefix(part.size());
  }
  return absl::OkStatus();
}

absl::Status Disk::Write(uint64_t sector, absl::Span<const uint8_t> from) {
  const size_t most = Most();
  if (most == 0) return absl::UnavailableError("the disk has no medium");
  while (!from.empty()) {
    const absl::Span<const uint8_t> part = from.first(std::min(from.size(), most));
    absl::Status status = Request(block::Operation::kWrite, sector, part.size(), part.data());
    if (!status.ok()) return status;
    sector += part.size() / kSectorBytes;
    from.remove_prefix(part.size());
  }
  return absl::OkStatus();
}

absl::Status Disk::Flush() { return Request(block::Operation::kFlush, 0, 0); }

absl::Status Disk::Request(block::Operation operation, uint64_t sector, size_t bytes,
                           const uint8_t* from) {
  const uint64_t deadline = runtime::MonotonicNow() + kAnswersWithin;
  const auto late = [](const absl::Status& status) {
    if (!absl::IsDeadlineExceeded(status)) return status;
    return absl::UnavailableError("the disk's driver does not answer");
  };
  // One that was given up still owns the data Memory.
  absl::Status status = Until([this] { return answered_; }, deadline);
  if (!status.ok()) return late(status);
  if (!HasMedium()) return absl::UnavailableError("the card was changed or taken out");
  if (from != nullptr) std::memcpy(data_.data(), from, bytes);
  answered_ = false;
  const auto count = static_cast<uint32_t>(bytes / kSectorBytes);
  status = client_.Submit(1, {operation, sector, count, nullptr, 0});
  if (!status.ok()) {
    answered_ = true;
    return status;
  }
  client_.Flush();
  runtime::KillPoint("disk.asked");
  status = Until([this] { return answered_; }, deadline);
  if (!status.ok()) return late(status);
  runtime::KillPoint("disk.answered");
  switch (status_) {
    case proto::BlockStatus::OK:
      return absl::OkStatus();
    case proto::BlockStatus::NO_MEDIUM:
      return absl::UnavailableError("the card was changed or taken out");
    default: {
      const char* const what = operation == block::Operation::kRead ? "read" : "written";
      return absl::InternalError(absl::StrCat("sector ", sector, " can not be ", what));
    }
  }
}

}  // namespace pyrene::fs
