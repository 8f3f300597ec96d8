// SPDX-License-Identifier: Apache-2.0
//
// An SD memory card: found and set up (SD Physical Layer Simplified Specification 4.2, 4.3), then
// read, written and erased. Each call ends when the card has ended, and tries once: retries are the
// disk's (sd_disk.h).
//
// The card's cache (SD 6.0, 4.17) is off after CMD0 and stays so: a write is answered when the card
// has ended busy, and nothing is left to flush then.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "platform/bcm2711/emmc2/sd_registers.h"
#include "platform/bcm2711/emmc2/sdhci_host.h"

namespace pyrene::emmc2 {

class SdCard {
 public:
  explicit SdCard(SdhciHost& host) : host_(host) {}

  // From whatever state controller and card are in. NotFound: there is no card.
  absl::Status Identify();

  uint64_t sectors() const { return data_.sectors; }
  bool read_only() { return data_.write_protected || !host_.writable(); }
  bool can_erase() const { return data_.can_erase; }
  // CID: which card it is.
  const Response& identity() const { return cid_; }
  // "SDHC, 4 bits, high speed, ADMA2".
  std::string Description() const;

  // `data.blocks` sectors from `sector` on, which are on the card.
  absl::Status Transfer(uint64_t sector, Data data);
  absl::Status Erase(uint64_t sector, uint32_t count);
  // Until the card is ready for data and no write is under way.
  absl::Status WaitReady();
  // After an error of the above: the card waits for commands again.
  absl::Status Recover();

 private:
  absl::StatusOr<uint32_t> Send(uint32_t index, uint32_t argument,
                                ResponseKind kind = ResponseKind::kShort,
                                const Data* data = nullptr);
  // R1, with its error bits looked at.
  absl::StatusOr<uint32_t> SendChecked(uint32_t index, uint32_t argument,
                                       ResponseKind kind = ResponseKind::kShort,
                                       const Data* data = nullptr);
  absl::StatusOr<uint32_t> SendApplication(uint32_t index, uint32_t argument, ResponseKind kind,
                                           const Data* data = nullptr);
  absl::Status PowerUp();
  absl::Status Configure();
  absl::Status SwitchHighSpeed();
  uint32_t Address(uint64_t sector) const;

  SdhciHost& host_;
  Response cid_{};
  CardData data_;
  CardConfiguration configuration_;
  uint32_t address_ = 0;    // RCA, in bits 31:16
  bool by_sector_ = false;  // SDHC and SDXC: addresses count sectors
  bool fast_ = false;
};

}  // namespace pyrene::emmc2
