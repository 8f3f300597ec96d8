// SPDX-License-Identifier: Apache-2.0
//
// One guest's console: takes what the guest writes, at once and whoever listens, so that the guest
// never waits; keeps the last 16 KiB that nobody has seen; gives it what is typed. While the guest
// has the serial line nothing is dropped: then it waits for the line.
//
// The guest is hostile: what it does to its ring costs it its own console.
//
// Taking output out of the PV ring, so that death at any instruction neither loses nor repeats any:
//   T1 before = consumer   T2 the bytes and mark = consumer + n go into the journal, at once
//   T3 the ring's consumer index = mark   T4 before = mark
// Found by the next life: before != mark and the ring's index == before: T3 was not done, so it is
// done now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/memory.h"
#include "runtime/notification.h"
#include "services/console/journal.h"
#include "services/console/pv_ring.h"

namespace pyrene::console {

class GuestConsole {
 public:
  GuestConsole(uint16_t domid, Journal::Slot slot)
      : domid_(domid), record_(slot.record), output_(slot.record->output, slot.data, kGuestBytes) {}

  uint16_t domid() const { return domid_; }
  // What nobody has seen.
  ByteRing& output() { return output_; }

  // The ring's page, one at least, and what tells the VMM to look at it. Settles what a former life
  // left half done.
  void Connect(runtime::Memory page, runtime::Notification peer);
  // Takes the last words. Without a ring there is text from AddText only.
  void Disconnect();
  bool connected() const { return ring_.has_value(); }

  // Index behind the last byte that the guest has written so far; 0 without a ring.
  uint32_t Written() const;
  // Takes output up to index `end`, as Written said it. `attached`: only if all of it has room.
  void Take(uint32_t end, bool attached);

  // Whether a message of text may be taken.
  bool HasRoomForText(bool attached) const;
  // What the guest wrote by another way than the ring. "\n" becomes "\r\n". The VMM repeats what it
  // does not know to be taken, with the same `id`s, which grow; 0 is none.
  void AddText(uint32_t id, absl::string_view text);

  // The ring was zeroed; the guest begins to run.
  void Started();
  // The guest does not run. What is in the ring is taken; until Started it is left alone.
  void Stopped();

  // How much the guest can take of what was typed, and its giving.
  uint32_t InputRoom() const;
  void Type(absl::string_view input);

 private:
  void TakeRest();

  uint16_t domid_;
  GuestRecord* record_;
  ByteRing output_;
  runtime::Memory page_;
  runtime::Notification peer_;
  std::optional<PvRing> ring_;
  bool stopped_ = false;
};

// "\n" as a terminal wants it.
std::string WithCarriageReturns(absl::string_view text);

}  // namespace pyrene::console
