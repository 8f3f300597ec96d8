// SPDX-License-Identifier: Apache-2.0
#include "services/init/offer_book.h"

#include <algorithm>
#include <utility>

namespace pyrene::init {

const OfferBook::Entry* OfferBook::Find(absl::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [name](const Entry& e) { return e.offer.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

OfferBook::Entry* OfferBook::Find(absl::string_view name) {
  return const_cast<Entry*>(std::as_const(*this).Find(name));
}

bool OfferBook::Add(ServiceOffer offer) {
  if (entries_.size() >= kMaxOffers || Has(offer.name)) return false;
  entries_.push_back({std::move(offer)});
  return true;
}

bool OfferBook::Told(absl::string_view name) const {
  const Entry* const entry = Find(name);
  return entry != nullptr && entry->state != State::kWaiting;
}

bool OfferBook::IsTaken(absl::string_view name) const {
  const Entry* const entry = Find(name);
  return entry != nullptr && entry->state == State::kTaken;
}

void OfferBook::Revoke(absl::string_view name) {
  Entry* const entry = Find(name);
  if (entry == nullptr || entry->state == State::kRevoked) return;
  if (entry->state == State::kWaiting) {
    // The service never heard of it. What is installed goes away with init's own capabilities.
    Release(entry->memory);
    Release(entry->wake);
    Erase(entry);
  } else {
    entry->state = State::kRevoking;
  }
}

void OfferBook::Restarted() {
  used_.reset();
  for (size_t i = entries_.size(); i-- > 0;) {
    Entry& entry = entries_[i];
    entry.memory = entry.wake = kNullCap;
    if (entry.state == State::kRevoking || entry.state == State::kRevoked) {
      entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(i));
    } else {
      entry.state = State::kWaiting;
    }
  }
}

CapIndex OfferBook::Install(Port& port, CapIndex source, Rights rights, uint64_t badge) {
  for (CapIndex index = kFirstOfferedCap; index < kMaxCaps; ++index) {
    if (used_[index]) continue;
    used_.set(index);
    // An index that the service filled by itself, against the rules, is lost to it.
    if (port.Install(index, source, rights, badge)) return index;
  }
  return kNullCap;
}

bool OfferBook::Offer(Port& port, Entry& entry) {
  const ServiceOffer& offer = entry.offer;
  if (entry.memory == kNullCap) {
    entry.memory = Install(port, offer.memory, offer.memory_rights, 0);
    if (entry.memory == kNullCap) return false;
  }
  if (entry.wake == kNullCap && offer.wake != kNullCap) {
    entry.wake = Install(port, offer.wake, rights::kSignal, offer.wake_bits);
    if (entry.wake == kNullCap) return false;
  }
  if (!port.TellOffer(offer, entry.memory, entry.wake)) return false;
  entry.state = State::kOffered;
  return true;
}

void OfferBook::Pump(Port& port) {
  for (Entry& entry : entries_) {
    if (entry.state == State::kRevoking) {
      if (!port.TellRevoked(entry.offer.name)) return;
      entry.state = State::kRevoked;
    } else if (entry.state == State::kWaiting) {
      if (!Offer(port, entry)) return;
    }
  }
}

bool OfferBook::AllTold() const {
  return std::none_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return entry.state == State::kWaiting || entry.state == State::kRevoking;
  });
}

void OfferBook::Taken(absl::string_view name) {
  Entry* const entry = Find(name);
  if (entry != nullptr && entry->state == State::kOffered) entry->state = State::kTaken;
}

bool OfferBook::Closed(absl::string_view name) {
  Entry* const entry = Find(name);
  // Only what it was offered; a revocation that is still to be told is answered by this, too.
  if (entry == nullptr || entry->state == State::kWaiting) return false;
  Release(entry->memory);
  Release(entry->wake);
  Erase(entry);
  return true;
}

void OfferBook::Release(CapIndex index) {
  if (index != kNullCap) used_.reset(index);
}

void OfferBook::Erase(const Entry* entry) {
  entries_.erase(entries_.begin() + (entry - entries_.data()));
}

const ServiceOffer* OfferBook::InstalledAt(CapIndex index, bool& is_memory) const {
  if (index == kNullCap) return nullptr;
  for (const Entry& entry : entries_) {
    is_memory = entry.memory == index;
    if (is_memory || entry.wake == index) return &entry.offer;
  }
  return nullptr;
}

}  // namespace pyrene::init
