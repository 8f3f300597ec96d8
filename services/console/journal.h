// SPDX-License-Identifier: Apache-2.0
//
// What console remembers across its own death: Memory of init's that every generation finds under
// the capability `journal`. Text is in it from the moment when it is taken from its writer until
// the UART has it.
//
// One life after the other uses it, alone. Lost by a death at any instruction: nothing. Repeated:
// of the serial line's output at most the last byte; of the log's lines those of the last round.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "absl/strings/string_view.h"
#include "services/console/byte_ring.h"

namespace pyrene::console {

inline constexpr uint32_t kLineBytes = 16384;   // text of xl's and of console's for the serial line
inline constexpr uint32_t kInputBytes = 1024;   // typed, but not taken by whom it is for
inline constexpr uint32_t kGuestBytes = 16384;  // of a guest's output that nobody has seen
inline constexpr uint32_t kLogBytes = 65536;    // services/console/log_store.h

// A guest's. `before` differs from the ring's mark only while output is being taken from the guest
// (services/console/guest_console.h).
struct GuestRecord {
  ByteRingState output;
  uint32_t before;
  uint32_t domid;  // 0: nobody's
  uint64_t text;   // last message of text: its id, and above it the output's head behind it
};

struct LogState {
  uint64_t written;  // bytes since the system's start
  uint64_t cleared;  // what is older is not shown any more
};

// How far the log of one writer was read.
struct LogPosition {
  char name[24];
  uint64_t position;
};

class Journal {
 public:
  static constexpr uint32_t kMaxGuests = 32;  // as many as init can hold
  // With room for no guest, and what each guest needs.
  static constexpr size_t kFixedBytes = 4096 + kLineBytes + kInputBytes + kLogBytes;

  // Takes over what a former life left in `memory`, zeroed by init before the first one, or makes
  // it empty if it is anything else. `bytes` at least kFixedBytes.
  Journal(void* memory, size_t bytes);

  // Whether this is not the first life.
  bool adopted() const { return adopted_; }

  // Its mark is the id of xl's last text.
  ByteRing& line() { return line_; }
  ByteRing& input() { return input_; }

  // The guest that has the serial line, or 0.
  uint16_t attached() const { return static_cast<uint16_t>(state_->attached); }
  void SetAttached(uint16_t domid) { Commit(state_->attached, uint32_t{domid}); }

  // Of the channel with xl, when it was up last.
  uint32_t xl_epoch() const { return state_->xl_epoch; }
  void SetXlEpoch(uint32_t epoch) { Commit(state_->xl_epoch, epoch); }

  struct Slot {
    GuestRecord* record;
    char* data;  // kGuestBytes
  };
  // The guest's, with what it left in a former life, or an empty one. Guests beyond the memory's
  // room get one that does not survive.
  Slot TakeSlot(uint16_t domid);
  void FreeSlot(uint16_t domid);
  // Gives up the slots that no TakeSlot of this life asked for: of guests that are gone.
  void FreeForgottenSlots();

  LogState& log() { return state_->log; }
  char* log_text() { return base_ + 4096 + kLineBytes + kInputBytes; }
  // `name`'s, 0 at first; names are cut at 23 bytes. nullptr if there are too many.
  uint64_t* TakePosition(absl::string_view name);
  void FreePosition(absl::string_view name);

 private:
  static constexpr uint32_t kPositions = 64;

  struct State {
    static constexpr uint64_t kMagic = 0x6c6e724a'4e525950;  // "PYRNJrnl"
    uint64_t magic;
    uint64_t bytes;
    uint32_t attached;
    uint32_t xl_epoch;
    ByteRingState line;
    ByteRingState input;
    LogState log;
    GuestRecord guest[kMaxGuests];
    LogPosition position[kPositions];
  };
  static_assert(sizeof(State) <= 4096);

  struct Overflow {
    GuestRecord record = {};
    std::unique_ptr<char[]> data;
  };

  Slot SlotAt(uint32_t index) {
    return {&state_->guest[index], base_ + kFixedBytes + size_t{index} * kGuestBytes};
  }
  // Index of the guest's slot, or kMaxGuests; of domid 0: a free one.
  uint32_t Find(uint16_t domid) const;
  LogPosition* FindPosition(absl::string_view name);

  bool adopted_ = false;
  State* state_;
  char* base_;
  uint32_t slots_;
  ByteRing line_;
  ByteRing input_;
  std::bitset<kMaxGuests> taken_;
  std::bitset<kPositions> position_taken_;
  std::map<uint16_t, Overflow> overflow_;
};

}  // namespace pyrene::console
