// SPDX-License-Identifier: Apache-2.0
#include "services/init/held_capabilities.h"

#include "absl/strings/str_cat.h"
#include "runtime/kernel/syscall.h"
#include "services/init/object.h"

namespace pyrene::init {
namespace {

std::vector<Held> Inspect(CapIndex domain) {
  std::vector<Held> all;
  for (CapIndex index = 1; index < kMaxCaps; ++index) {
    const sys::CapInspection facts = sys::CapInspect(domain, index);
    if (facts.status != Status::kOk) continue;
    all.push_back({index, facts.type, facts.rights, facts.badge, facts.object_id, {}});
  }
  return all;
}

std::string OfferAt(OfferBook& offers, CapIndex index) {
  bool is_memory = false;
  const ServiceOffer* const offer = offers.InstalledAt(index, is_memory);
  return offer == nullptr ? "" : absl::StrCat(offer->name, is_memory ? "" : ".peer");
}

}  // namespace

std::vector<Held> HeldBy(Service& service) {
  if (service.live() == nullptr) return {};
  const std::vector<Given>& given = service.live()->given();
  std::vector<Held> all = Inspect(service.live()->domain());
  for (Held& held : all) {
    held.object =
        NameHeld(held, given, OfferAt(service.offers(), held.index), ObjectName(held.object_id));
  }
  const std::vector<Held> missing = Missing(all, given);
  all.insert(all.end(), missing.begin(), missing.end());
  return all;
}

std::vector<Held> HeldByInit() {
  std::vector<Held> all = Inspect(kNullCap);
  for (Held& held : all) held.object = NameHeld(held, {}, "", ObjectName(held.object_id));
  return all;
}

}  // namespace pyrene::init
