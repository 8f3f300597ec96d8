// SPDX-License-Identifier: Apache-2.0
#include "services/console/journal.h"

#include <algorithm>

namespace pyrene::console {
namespace {

// `memory` with a valid header.
template <typename State>
State* Format(void* memory, size_t bytes, bool& adopted) {
  auto* const state = static_cast<State*>(memory);
  adopted = state->magic == State::kMagic && state->bytes == bytes;
  if (adopted) return state;
  std::memset(state, 0, sizeof(State));
  state->bytes = bytes;
  Commit(state->magic, State::kMagic);
  return state;
}

}  // namespace

Journal::Journal(void* memory, size_t bytes)
    : state_(Format<State>(memory, bytes, adopted_)),
      base_(static_cast<char*>(memory)),
      slots_(
          static_cast<uint32_t>(std::min<size_t>((bytes - kFixedBytes) / kGuestBytes, kMaxGuests))),
      line_(state_->line, base_ + 4096, kLineBytes),
      input_(state_->input, base_ + 4096 + kLineBytes, kInputBytes) {}

uint32_t Journal::Find(uint16_t domid) const {
  for (uint32_t i = 0; i < slots_; ++i) {
    if (state_->guest[i].domid == domid) return i;
  }
  return kMaxGuests;
}

Journal::Slot Journal::TakeSlot(uint16_t domid) {
  uint32_t index = Find(domid);
  if (index == kMaxGuests) {
    index = Find(0);
    if (index == kMaxGuests) {
      Overflow& own = overflow_[domid];
      if (own.data == nullptr) own.data = std::make_unique<char[]>(kGuestBytes);
      return {&own.record, own.data.get()};
    }
    GuestRecord& record = state_->guest[index];
    record = {};
    Commit(record.domid, uint32_t{domid});
  }
  taken_.set(index);
  return SlotAt(index);
}

void Journal::FreeSlot(uint16_t domid) {
  const uint32_t index = Find(domid);
  if (index == kMaxGuests) {
    overflow_.erase(domid);
    return;
  }
  taken_.reset(index);
  Commit(state_->guest[index].domid, uint32_t{0});
}

void Journal::FreeForgottenSlots() {
  for (uint32_t i = 0; i < slots_; ++i) {
    if (!taken_[i]) Commit(state_->guest[i].domid, uint32_t{0});
  }
}

LogPosition* Journal::FindPosition(absl::string_view name) {
  for (LogPosition& entry : state_->position) {
    if (absl::string_view(entry.name, strnlen(entry.name, sizeof(entry.name))) == name) {
      return &entry;
    }
  }
  return nullptr;
}

uint64_t* Journal::TakePosition(absl::string_view name) {
  name = name.substr(0, sizeof(LogPosition::name) - 1);
  LogPosition* entry = FindPosition(name);
  if (entry == nullptr) {
    // An empty one, else one of a writer that only former lives knew.
    entry = FindPosition("");
    for (uint32_t i = 0; entry == nullptr && i < kPositions; ++i) {
      if (!position_taken_[i]) entry = &state_->position[i];
    }
    if (entry == nullptr) return nullptr;
    *entry = {};
    Commit(entry->position, uint64_t{0});
    std::memcpy(entry->name, name.data(), name.size());
  }
  position_taken_.set(static_cast<size_t>(entry - state_->position));
  return &entry->position;
}

void Journal::FreePosition(absl::string_view name) {
  LogPosition* const entry = FindPosition(name.substr(0, sizeof(LogPosition::name) - 1));
  if (entry == nullptr) return;
  position_taken_.reset(static_cast<size_t>(entry - state_->position));
  Commit(entry->name[0], '\0');
}

}  // namespace pyrene::console
