// SPDX-License-Identifier: Apache-2.0
//
// A register model of an SD host controller with a card in it: what the specifications say of both,
// as far as a driver sees it, with errors on demand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "platform/bcm2711/emmc2/sdhci_io.h"
#include "platform/bcm2711/emmc2/sdhci_registers.h"
#include "runtime/clock.h"

namespace pyrene::emmc2 {

class FakeCard final : public SdhciIo {
 public:
  enum class Kind : uint8_t { kSdsc1, kSdsc, kSdhc };

  FakeCard(Kind kind, uint64_t sectors) : kind(kind), content(sectors * 512) {}

  // What the test sets.
  Kind kind;
  std::vector<uint8_t> content;
  bool present = true;
  bool adma = false;
  bool set_block_count = true;  // CMD23
  bool write_protected = false;
  uint64_t programming = 0;      // ns that the card is busy after a write
  unsigned data_crc_errors = 0;  // of the next data transfers
  unsigned lost_interrupts = 0;  // of the next commands: they never end
  unsigned card_errors = 0;      // CARD_ECC_FAILED in the next answers to data commands
  uint32_t identity = 0x1234;
  std::map<uint64_t, uint8_t*> memory;  // physical address -> what DMA reaches

  // What it sees.
  unsigned commands[64] = {};
  bool four_bits = false;
  bool high_speed = false;
  unsigned waits = 0;
  uint64_t now = runtime::kSecond;

  uint32_t Read(uint32_t offset) override {
    switch (static_cast<Register>(offset)) {
      case Register::kPresent:
        return present::kWritable * (write_protected ? 0 : 1) | (Busy() ? 0 : present::kData0) |
               (reading_ && at_ < data_.size() ? present::kBufferRead : 0) |
               (writing_ && at_ < data_.size() ? present::kBufferWrite : 0);
      case Register::kCapabilities:
        return 52 << 8 | capabilities::kHighSpeed | (adma ? capabilities::kAdma2 : 0);
      case Register::kVersion:
        return 2 << 16;
      case Register::kClock:
        return clock_ | ((clock_ & clock::kInternal) != 0 ? clock::kStable : 0);
      case Register::kStatus:
        return status_ | ((status_ & status::kErrors) != 0 ? status::kAnyError : 0);
      case Register::kBuffer: {
        uint32_t word = 0;
        if (reading_ && at_ + 4 <= data_.size()) std::memcpy(&word, &data_[at_], 4);
        at_ += 4;
        if (reading_ && at_ >= data_.size()) EndData();
        return word;
      }
      default:
        if (offset >= 0x10 && offset < 0x20) return response_[(offset - 0x10) / 4];
        return registers_[offset / 4];
    }
  }

  void Write(uint32_t offset, uint32_t value) override {
    switch (static_cast<Register>(offset)) {
      case Register::kClock:
        if ((value & clock::kResetAll) != 0) {
          status_ = 0;
          four_bits_host_ = false;
        }
        if ((value & (clock::kResetAll | clock::kResetLines)) != 0) reading_ = writing_ = false;
        clock_ = value & 0x00ffffff;
        return;
      case Register::kStatus:
        status_ &= ~value;
        return;
      case Register::kHostControl:
        four_bits_host_ = (value & host_control::kFourBit) != 0;
        high_speed = (value & host_control::kHighSpeed) != 0;
        return;
      case Register::kCommand:
        registers_[offset / 4] = value;
        Command(value >> 24 & 63, value);
        return;
      case Register::kBuffer:
        if (!writing_ || at_ + 4 > data_.size()) return;
        std::memcpy(&data_[at_], &value, 4);
        at_ += 4;
        if (at_ >= data_.size()) EndData();
        return;
      default:
        registers_[offset / 4] = value;
    }
  }

  void WaitInterrupt(uint64_t deadline) override {
    ++waits;
    const uint64_t enabled = registers_[static_cast<uint32_t>(Register::kSignalEnable) / 4];
    if ((status_ & enabled) == 0) now = deadline;
  }
  uint64_t Now() override { return now += runtime::kMicrosecond; }
  void CleanAndInvalidate(const void*, size_t) override {}

 private:
  bool Busy() { return now < busy_until_; }
  uint32_t CardStatus() const { return (Idle() ? 0 : 4 << 9) | 1 << 8; }
  bool Idle() const { return !ready_; }
  void Answer(uint32_t word) {
    response_[0] = word;
    status_ |= status::kCommandComplete;
  }
  void Timeout() { status_ |= status::kCommandTimeout; }

  void Begin(bool read, uint64_t at, size_t bytes, std::vector<uint8_t> own = {}) {
    at_ = 0;
    target_ = at;
    reading_ = read;
    writing_ = !read;
    own_ = !own.empty();
    data_ = own_ ? std::move(own) : std::vector<uint8_t>(bytes);
    if (read && !own_)
      std::copy_n(content.begin() + static_cast<ptrdiff_t>(at), bytes, data_.begin());
    if ((registers_[3] & transfer::kDma) != 0) Dma();
  }

  void Dma() {
    auto* entry = reinterpret_cast<const uint64_t*>(Reach(registers_[0x58 / 4]));
    for (bool end = false; !end && at_ < data_.size(); ++entry) {
      end = (*entry & 2) != 0;
      const size_t bytes = *entry >> 16 & 0xffff;
      uint8_t* const at = Reach(*entry >> 32);
      if (reading_) {
        std::memcpy(at, &data_[at_], bytes);
      } else {
        std::memcpy(&data_[at_], at, bytes);
      }
      at_ += bytes;
    }
    EndData();
  }
  uint8_t* Reach(uint64_t physical) {
    auto found = memory.upper_bound(physical);
    --found;
    return found->second + (physical - found->first);
  }

  void EndData() {
    if (data_crc_errors != 0) {
      --data_crc_errors;
      status_ |= status::kDataCrc;
      reading_ = writing_ = false;
      return;
    }
    if (writing_) {
      std::copy(data_.begin(), data_.end(), content.begin() + static_cast<ptrdiff_t>(target_));
      busy_until_ = now + programming;
    }
    reading_ = writing_ = false;
    status_ |= status::kTransferComplete;
  }

  void Command(uint32_t index, uint32_t value) {
    const uint32_t argument = registers_[2];
    ++commands[index];
    const bool application = std::exchange(application_, false);
    if (!present && index != 0) return Timeout();
    const size_t blocks = (value & transfer::kMulti) != 0 ? registers_[1] >> 16 : 1;
    const uint64_t at = kind == Kind::kSdhc ? uint64_t{argument} * 512 : argument;
    switch (index) {
      case 0:
        ready_ = false;
        polls_ = 0;
        status_ |= status::kCommandComplete;
        return;
      case 8:
        return kind == Kind::kSdsc1 ? Timeout() : Answer(argument);
      case 55:
        application_ = true;
        return Answer(CardStatus() | 1 << 5);
      case 41:
        return Answer(++polls_ < 3 ? 0x00ff8000
                                   : 0x80ff8000 | (kind == Kind::kSdhc ? 1u << 30 : 0));
      case 2:
        std::fill(std::begin(response_), std::end(response_), 0);
        response_[1] = identity;
        return Answer(7);
      case 3:
        return Answer(0xaaaa0000);
      case 9:
        Csd();
        return Answer(response_[0]);
      case 7:
        ready_ = true;
        status_ |= status::kTransferComplete;
        return Answer(CardStatus());
      case 6:
        if (application) {
          four_bits = argument == 2;
        } else {
          std::vector<uint8_t> functions(64);
          functions[16] = argument & 0xf;
          Begin(true, 0, 64, functions);
        }
        return Answer(CardStatus());
      case 51:
        Begin(true, 0, 8, {2, 5, 0, static_cast<uint8_t>(set_block_count ? 2 : 0), 0, 0, 0, 0});
        return Answer(CardStatus());
      case 12:
        if (!ready_) return Timeout();
        status_ |= status::kTransferComplete;
        return Answer(CardStatus());
      case 13:
        return Answer(Busy() ? 7 << 9 : CardStatus());
      case 32:
        erase_ = at;
        return Answer(CardStatus());
      case 33:
        erase_end_ = at + 512;
        return Answer(CardStatus());
      case 38:
        std::fill(content.begin() + static_cast<ptrdiff_t>(erase_),
                  content.begin() + static_cast<ptrdiff_t>(erase_end_), 0);
        status_ |= status::kTransferComplete;
        return Answer(CardStatus());
      case 17:
      case 18:
      case 24:
      case 25:
        if (lost_interrupts != 0) {
          --lost_interrupts;
          return;
        }
        if (card_errors != 0) {
          --card_errors;
          status_ |= status::kTransferComplete;
          Begin(index < 24, at, blocks * 512);
          at_ = 0;
          return Answer(CardStatus() | 1 << 21);
        }
        Answer(CardStatus());
        return Begin(index < 24, at, blocks * 512);
      default:
        return Answer(CardStatus());
    }
  }

  void SetBits(unsigned last, unsigned first, uint32_t value) {
    for (unsigned bit = first; bit <= last; ++bit, value >>= 1) {
      const unsigned at = bit - 8;
      response_[at / 32] = (response_[at / 32] & ~(1u << at % 32)) | (value & 1) << at % 32;
    }
  }
  void Csd() {
    std::fill(std::begin(response_), std::end(response_), 0);
    const uint64_t sectors = content.size() / 512;
    SetBits(95, 84, kind == Kind::kSdsc1 ? 0x1b5 : 0x5b5);
    SetBits(46, 46, 1);
    if (kind == Kind::kSdhc) {
      SetBits(127, 126, 1);
      SetBits(69, 48, static_cast<uint32_t>(sectors / 1024 - 1));
    } else {
      SetBits(83, 80, 9);
      SetBits(49, 47, 0);
      SetBits(73, 62, static_cast<uint32_t>(sectors / 4 - 1));
    }
  }

  uint32_t registers_[64] = {};
  uint32_t response_[4] = {};
  uint32_t status_ = 0;
  uint32_t clock_ = 0;
  bool four_bits_host_ = false;
  bool application_ = false;
  bool ready_ = false;
  unsigned polls_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool own_ = false;
  size_t at_ = 0;
  uint64_t target_ = 0;
  uint64_t erase_ = 0;
  uint64_t erase_end_ = 0;
  uint64_t busy_until_ = 0;
  std::vector<uint8_t> data_;
};

}  // namespace pyrene::emmc2
