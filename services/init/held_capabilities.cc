// SPDX-License-Identifier: Apache-2.0
#include "services/init/held_capabilities.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/kernel/syscall.h"
#include "services/init/object.h"

namespace pyrene::init {
namespace {

constexpr size_t kMaxText = 40;

std::string Name(Service& service, const HeldFacts& held, uint64_t id) {
  const std::vector<Given>& given = service.live()->given();
  const auto found = std::find_if(given.begin(), given.end(),
                                  [&held](const Given& g) { return g.index == held.index; });
  const absl::string_view object = ObjectName(id);
  if (found != given.end()) {
    const bool same = found->type == held.type && found->object_id == id &&
                      found->rights == held.rights && found->badge == held.badge;
    if (!same) return absl::StrCat("! ", found->name);
    return object.empty() ? found->name : absl::StrCat(found->name, ": ", object);
  }
  bool is_memory = false;
  if (const ServiceOffer* offer = service.offers().InstalledAt(held.index, is_memory);
      offer != nullptr) {
    return absl::StrCat("offer ", offer->name, is_memory ? "" : ".peer");
  }
  return std::string(object);
}

template <typename NameOf>
std::vector<HeldFacts> Inspect(CapIndex domain, NameOf name_of) {
  std::vector<HeldFacts> all;
  for (CapIndex index = 1; index < kMaxCaps; ++index) {
    const sys::CapInspection facts = sys::CapInspect(domain, index);
    if (facts.status != Status::kOk) continue;
    HeldFacts held{index, facts.type, facts.rights, facts.badge, {}};
    held.object = std::string(name_of(held, facts.object_id)).substr(0, kMaxText);
    all.push_back(std::move(held));
  }
  return all;
}

}  // namespace

std::vector<HeldFacts> HeldBy(Service& service) {
  if (service.live() == nullptr) return {};
  std::vector<HeldFacts> all =
      Inspect(service.live()->domain(),
              [&](const HeldFacts& held, uint64_t id) { return Name(service, held, id); });
  for (const Given& given : service.live()->given()) {
    const bool there = std::any_of(all.begin(), all.end(), [&given](const HeldFacts& held) {
      return held.index == given.index;
    });
    if (!there)
      all.push_back({given.index, ObjectType::kNone, 0, 0,
                     absl::StrCat("! ", given.name, " is gone").substr(0, kMaxText)});
  }
  return all;
}

std::vector<HeldFacts> HeldByInit() {
  return Inspect(kNullCap, [](const HeldFacts&, uint64_t id) { return ObjectName(id); });
}

}  // namespace pyrene::init
