// SPDX-License-Identifier: Apache-2.0
#include "services/console/guest_console.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pyrene::console {
namespace {

// While attached, the output is let grow to this: a full ring, taken when the guest goes away, then
// still has room.
constexpr uint32_t kAttachedLimit = kGuestBytes - PvRing::kOutBytes;
constexpr uint32_t kMaxTextBytes = 2 * 4096;  // a message of newlines only

}  // namespace

std::string WithCarriageReturns(absl::string_view text) {
  std::string result;
  result.reserve(text.size() + 16);
  for (const char c : text) {
    if (c == '\n') result.push_back('\r');
    result.push_back(c);
  }
  return result;
}

void GuestConsole::Connect(runtime::Memory page, runtime::Notification peer) {
  page_ = std::move(page);
  peer_ = std::move(peer);
  ring_.emplace(page_.data());
  stopped_ = false;
  uint32_t consumer;
  uint32_t filled;
  const uint32_t mark = output_.mark();
  if (record_->before != mark && ring_->Output(consumer, filled) && consumer == record_->before &&
      mark - consumer <= filled) {
    ring_->Consumed(mark);
  }
  // The former life may have died before it said so.
  peer_.Signal();
}

void GuestConsole::Disconnect() {
  TakeRest();
  ring_.reset();
  page_ = runtime::Memory();
  peer_ = runtime::Notification();
}

uint32_t GuestConsole::Written() const {
  uint32_t consumer;
  uint32_t filled;
  return ring_.has_value() && ring_->Output(consumer, filled) ? consumer + filled : 0;
}

void GuestConsole::Take(uint32_t end, bool attached) {
  uint32_t consumer;
  uint32_t filled;
  if (stopped_ || !ring_.has_value() || !ring_->Output(consumer, filled)) return;
  const uint32_t count = std::min(end - consumer, filled);
  if (count == 0 || (attached && output_.used() + count > kAttachedLimit)) return;
  std::array<char, PvRing::kOutBytes> text;
  if (!ring_->Read(consumer, text.data(), count)) return;
  const uint32_t after = consumer + count;
  if (output_.mark() != consumer) output_.SetMark(consumer);  // a fresh ring, or the guest's doing
  Commit(record_->before, consumer);                          // T1
  output_.Append({text.data(), count}, after);                // T2
  ring_->Consumed(after);                                     // T3
  Commit(record_->before, after);                             // T4
  peer_.Signal();
}

void GuestConsole::TakeRest() { Take(Written(), false); }

bool GuestConsole::HasRoomForText(bool attached) const {
  return !attached || output_.used() + kMaxTextBytes <= kAttachedLimit;
}

// The id is stored before the text, with the head that says when the text is there.
void GuestConsole::AddText(uint32_t id, absl::string_view text) {
  const std::string added = WithCarriageReturns(text);
  if (id != 0) {
    const int32_t newer = static_cast<int32_t>(id - static_cast<uint32_t>(record_->text));
    const uint32_t behind = static_cast<uint32_t>(record_->text >> 32);
    const bool there = static_cast<int32_t>(output_.head() - behind) >= 0;
    if (newer < 0 || (newer == 0 && there)) return;
    const uint32_t after = output_.head() + static_cast<uint32_t>(added.size());
    Commit(record_->text, uint64_t{after} << 32 | id);
  }
  output_.Append(added);
}

void GuestConsole::Started() {
  stopped_ = false;
  output_.SetMark(0);
  Commit(record_->before, uint32_t{0});
  if (ring_.has_value()) ring_->Repair();
}

void GuestConsole::Stopped() {
  TakeRest();
  stopped_ = true;
}

uint32_t GuestConsole::InputRoom() const {
  return stopped_ || !ring_.has_value() ? 0 : ring_->InputRoom();
}

void GuestConsole::Type(absl::string_view input) {
  if (ring_.has_value() && ring_->Fill(input.data(), input.size()) != 0) peer_.Signal();
}

}  // namespace pyrene::console
