// SPDX-License-Identifier: Apache-2.0
//
// A guest's PV console ring, whose indices change between two loads of console's wherever the input
// says so. What is kept stays within its memory; while the guest keeps to the protocol, what it
// writes comes out once and in order, and it reads what was typed.
//
// An input is a number of changes, so many changes, and steps; see BeforeLoad and Step.
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "runtime/load_hook.h"
#include "services/console/guest_console.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/require.h"
#include "tests/unit/console_test_util.h"

namespace pyrene::console {
namespace {

using fuzz::Require;

constexpr uint16_t kDomid = 5;
constexpr uint32_t kLimit = kGuestBytes - PvRing::kOutBytes;

class World final : private runtime::LoadHook {
 public:
  World(const uint8_t* data, size_t bytes, FakeGuest& ring) : input_(data, bytes), ring_(ring) {
    std::memset(ring_.page(), 0, sizeof(FakeGuest::Page));
    for (unsigned count = input_.Byte() % 16; count != 0; --count) {
      Change change;
      change.after = input_.Byte();
      change.index = input_.Byte() % 4;
      change.value = input_.Number(4);
      changes_.push_back(change);
    }
    Begin();
    runtime::load_hook = this;
  }
  ~World() override { runtime::load_hook = nullptr; }

  void Play() {
    while (!input_.empty()) {
      Step();
      Require(guest_->output().used() <= kGuestBytes);
    }
  }

 private:
  // To one of the four indices.
  struct Change {
    uint32_t after = 0;  // so many loads since the change before
    unsigned index = 0;
    uint32_t value = 0;
  };

  uint32_t& Index(unsigned which) { return (&ring_.page()->in_cons)[which]; }
  void BeforeLoad(const void*, size_t) override {
    for (; !changes_.empty() && loads_ >= changes_.front().after; changes_.pop_front()) {
      honest_ = false;
      Index(changes_.front().index) = changes_.front().value;
      loads_ = 0;
    }
    ++loads_;
  }

  // A life of console's, with what the one before left.
  void Begin() {
    guest_ = std::make_unique<GuestConsole>(kDomid, journal_.TakeSlot(kDomid));
    guest_->Connect(ring_.Map(), ring_.Peer());
  }
  // In the two halves that console's turn has: what is there now, and then its taking.
  void Take(bool attached) {
    const uint32_t before = guest_->output().used();
    guest_->Take(guest_->Written(), attached);
    Require(!attached || guest_->output().used() <= std::max(before, kLimit));
    whole_ = whole_ && guest_->output().used() < kGuestBytes;
  }
  void Show() {
    whole_ = whole_ && guest_->output().used() < kGuestBytes;
    while (!guest_->output().empty()) {
      const absl::string_view part = guest_->output().Front(kGuestBytes);
      shown_.append(part.data(), part.size());
      guest_->output().Consume(static_cast<uint32_t>(part.size()));
    }
    if (honest_ && whole_) Require(absl::StartsWith(written_, shown_));
  }
  void Step() {
    const uint8_t kind = input_.Byte();
    const uint32_t operand = input_.Byte();
    switch (kind % 9) {
      case 0: {
        if (!running_ || !honest_ || !guest_->connected()) break;
        std::string text(operand * 9, '\0');
        for (char& c : text) c = static_cast<char>('a' + written_bytes_++ % 23);
        written_ += text.substr(0, ring_.Write(text));
        break;
      }
      case 1:
        Index(operand % 4) = input_.Number(4);
        honest_ = false;
        break;
      case 2:
        Take(operand % 2 != 0);
        if (operand % 4 < 2) Show();
        break;
      case 3: {
        const uint32_t room = guest_->InputRoom();
        Require(room <= PvRing::kInBytes);
        const std::string typed(std::min(room, operand * 5), static_cast<char>(operand));
        guest_->Type(typed);
        if (honest_) Require(ring_.Read() == typed);
        break;
      }
      case 4:
        guest_->Stopped();
        Show();
        running_ = false;
        break;
      case 5:
        // Its ring is zeroed before it begins to run again.
        guest_->Stopped();
        Show();
        for (unsigned i = 0; i < 4; ++i) Index(i) = 0;
        guest_->Started();
        running_ = true;
        break;
      case 6:
        guest_->Disconnect();
        Show();
        if (operand % 2 == 0) guest_->Connect(ring_.Map(), ring_.Peer());
        break;
      case 7:
        if (!guest_->HasRoomForText(operand % 2 != 0)) break;
        guest_->AddText(input_.Byte(), std::string(operand, '\n'));
        whole_ = false;  // it is not the ring's
        break;
      default:
        Begin();
        if (!running_) guest_->Stopped();
        break;
    }
  }

  fuzz::Bytes input_;
  std::deque<Change> changes_;
  uint32_t loads_ = 0;   // since the last change
  bool honest_ = true;   // the guest has kept to the protocol
  bool whole_ = true;    // nothing was dropped because nobody looked
  bool running_ = true;  // and its console knows
  std::string written_, shown_;
  uint32_t written_bytes_ = 0;
  FakeGuest& ring_;
  std::vector<uint64_t> memory_ = JournalMemory(1);
  Journal journal_{memory_.data(), memory_.size() * sizeof(uint64_t)};
  std::unique_ptr<GuestConsole> guest_;
};

}  // namespace
}  // namespace pyrene::console

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static auto& ring = *new pyrene::console::FakeGuest;
  pyrene::console::World(data, bytes, ring).Play();
  return 0;
}
