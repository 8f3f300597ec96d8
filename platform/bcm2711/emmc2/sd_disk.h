// SPDX-License-Identifier: Apache-2.0
//
// The SD card as a disk: one request at a time, each done when Start returns. What fails is tried
// again, then again after the card was identified anew, then reported. A card that does not answer
// any more was taken out: requests fail until a card is there again, which is looked for each
// second.
#pragma once

#include <cstdint>

#include "platform/bcm2711/emmc2/sd_card.h"
#include "platform/block/disk.h"

namespace pyrene::emmc2 {

class SdDisk final : public block::Disk {
 public:
  // A transfer of this size is done within a second on the slowest card.
  static constexpr uint32_t kMaxSectors = 256;
  static constexpr uint32_t kMaxDiscard = 8192;

  SdDisk(SdhciHost& host, SdhciIo& io) : io_(io), card_(host) {}

  // NotFound: there is no card.
  absl::Status Open();
  const SdCard& card() const { return card_; }

  const block::DiskFacts& facts() const override { return facts_; }
  bool CanStart() const override { return true; }
  void Start(const block::DiskRequest& request) override;
  void OnInterrupt() override;
  uint64_t deadline() const override { return look_at_; }

 private:
  absl::Status Try(const block::DiskRequest& request);
  absl::Status TryAgain(const block::DiskRequest& request);
  absl::Status Identify();

  SdhciIo& io_;
  SdCard card_;
  block::DiskFacts facts_;
  Response identity_{};
  uint64_t look_at_ = runtime::kNever;
};

}  // namespace pyrene::emmc2
