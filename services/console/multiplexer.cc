// SPDX-License-Identifier: Apache-2.0
#include "services/console/multiplexer.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pyrene::console {
namespace {

// Bytes moved between two looks at everybody else. A UART's FIFO is smaller; QEMU's takes anything.
constexpr uint32_t kTransmitBatch = 512;
constexpr unsigned kReceiveBatch = 256;

}  // namespace

GuestConsole& Multiplexer::AddGuest(uint16_t domid) {
  std::unique_ptr<GuestConsole>& guest = guests_[domid];
  if (guest == nullptr) guest = std::make_unique<GuestConsole>(domid, journal_.TakeSlot(domid));
  return *guest;
}

GuestConsole* Multiplexer::FindGuest(uint16_t domid) {
  const auto found = guests_.find(domid);
  return found == guests_.end() ? nullptr : found->second.get();
}

void Multiplexer::RemoveGuest(uint16_t domid) {
  if (domid == attached()) {
    leaving_ = true;
    return;
  }
  guests_.erase(domid);
  journal_.FreeSlot(domid);
}

void Multiplexer::EndAdoption() {
  const uint16_t domid = attached();
  if (domid != 0 && FindGuest(domid) == nullptr) {
    AddGuest(domid);
    RemoveGuest(domid);
  }
  journal_.FreeForgottenSlots();
}

absl::Status Multiplexer::Attach(uint16_t domid) {
  if (domid == 0 || FindGuest(domid) == nullptr) {
    return absl::NotFoundError(absl::StrCat("domain ", domid, " has no console"));
  }
  if (domid == attached()) return absl::OkStatus();
  Detach(DetachReason::kRequested);
  Notice(absl::StrCat("[domain ", domid, ": Ctrl-] leaves it]\r\n"));
  journal_.SetAttached(domid);
  return absl::OkStatus();
}

void Multiplexer::Detach(DetachReason reason) {
  const uint16_t domid = attached();
  if (domid == 0) return;
  input().Clear();
  if (reason == DetachReason::kEscape) Notice(absl::StrCat("\r\n[left domain ", domid, "]\r\n"));
  if (reason == DetachReason::kGuestGone) {
    Notice(absl::StrCat("\r\n[domain ", domid, " is gone]\r\n"));
  }
  journal_.SetAttached(0);
  if (std::exchange(leaving_, false)) RemoveGuest(domid);
  if (on_detached_) on_detached_(reason);
}

void Multiplexer::Write(uint32_t id, absl::string_view text) {
  ByteRing& line = journal_.line();
  if (id != 0 && static_cast<int32_t>(id - line.mark()) <= 0) return;
  const std::string added = WithCarriageReturns(text);
  if (added.size() <= line.room()) line.Append(added, id == 0 ? line.mark() : id);
}

// Whoever writes has made sure that there is room, or has a message that may be missed.
void Multiplexer::Notice(absl::string_view text) {
  if (text.size() <= journal_.line().room()) journal_.line().Append(text);
}

bool Multiplexer::HasLeft(uint32_t position) {
  const bool taken = static_cast<int32_t>(journal_.line().tail() - position) >= 0;
  return taken && port_.Idle();
}

bool Multiplexer::Receive() {
  bool dropped = false;
  unsigned count = 0;
  for (; count < kReceiveBatch; ++count) {
    const int byte = port_.Get();
    if (byte < 0) break;
    const char c = static_cast<char>(byte);
    if (c == kEscape && attached() != 0) {
      DeliverInput();
      Detach(DetachReason::kEscape);
      continue;
    }
    if (input().room() == 0) DeliverInput();
    if (input().room() == 0) {
      dropped = true;
    } else {
      input().Append({&c, 1});
    }
  }
  if (dropped) Notice("\a");
  return count == kReceiveBatch;
}

ByteRing* Multiplexer::Source() {
  if (!journal_.line().empty()) return &journal_.line();
  GuestConsole* const guest = FindGuest(attached());
  return guest == nullptr || guest->output().empty() ? nullptr : &guest->output();
}

bool Multiplexer::crowded() {
  GuestConsole* const guest = FindGuest(attached());
  return !HasRoomToWrite() || (guest != nullptr && !guest->HasRoomForText(true));
}

bool Multiplexer::Transmit() {
  const bool awaited = crowded();
  uint32_t sent = 0;
  while (sent < kTransmitBatch) {
    ByteRing* const source = Source();
    if (source == nullptr) {
      if (!leaving_) break;
      Detach(DetachReason::kGuestGone);
      continue;
    }
    for (const char c : source->Front(kTransmitBatch - sent)) {
      if (!port_.Put(c)) {
        port_.WantTransmitInterrupt(true);
        return awaited && sent != 0;
      }
      source->Consume(1);
      ++sent;
    }
  }
  port_.WantTransmitInterrupt(false);
  return sent == kTransmitBatch || (awaited && sent != 0);
}

void Multiplexer::DeliverInput() {
  GuestConsole* const guest = FindGuest(attached());
  if (guest == nullptr) return;
  std::array<char, PvRing::kInBytes> text;
  while (!input().empty()) {
    const absl::string_view front = input().Front(guest->InputRoom());
    if (front.empty()) return;
    front.copy(text.data(), front.size());
    const size_t size = front.size();
    input().Consume(static_cast<uint32_t>(size));
    guest->Type({text.data(), size});
  }
}

}  // namespace pyrene::console
