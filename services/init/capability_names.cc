// SPDX-License-Identifier: Apache-2.0
#include "services/init/capability_names.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pyrene::init {
namespace {

constexpr size_t kMaxText = 40;  // proto/toolstack.capnp, HeldCapability.object

std::string Cut(std::string text) {
  if (text.size() > kMaxText) text.resize(kMaxText);
  return text;
}

bool Same(const Held& held, const Given& given) {
  return held.type == given.type && held.object_id == given.object_id &&
         held.rights == given.rights && held.badge == given.badge;
}

}  // namespace

std::string NameHeld(const Held& held, absl::Span<const Given> given, absl::string_view offered,
                     absl::string_view object_name) {
  const auto found = std::find_if(given.begin(), given.end(),
                                  [&held](const Given& g) { return g.index == held.index; });
  if (found != given.end()) {
    if (!Same(held, *found)) return Cut(absl::StrCat("! ", found->name));
    return Cut(object_name.empty() ? found->name : absl::StrCat(found->name, ": ", object_name));
  }
  if (!offered.empty()) return Cut(absl::StrCat("offer ", offered));
  return Cut(std::string(object_name));
}

std::vector<Held> Missing(absl::Span<const Held> held, absl::Span<const Given> given) {
  std::vector<Held> missing;
  for (const Given& g : given) {
    const bool there =
        std::any_of(held.begin(), held.end(), [&g](const Held& h) { return h.index == g.index; });
    if (there) continue;
    Held entry;
    entry.index = g.index;
    entry.object = Cut(absl::StrCat("! ", g.name, " is gone"));
    missing.push_back(std::move(entry));
  }
  return missing;
}

}  // namespace pyrene::init
