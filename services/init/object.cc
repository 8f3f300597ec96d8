// SPDX-License-Identifier: Apache-2.0
#include "services/init/object.h"

#include <utility>

#include "runtime/kernel/syscall.h"

namespace pyrene::init {
namespace {

// At most one entry per index of init's table.
std::map<uint64_t, std::string>& Names() {
  static auto* const names = new std::map<uint64_t, std::string>;
  return *names;
}

uint64_t IdOf(CapIndex cap) {
  const sys::CapInspection facts = sys::CapInspect(kNullCap, cap);
  return facts.status == Status::kOk ? facts.object_id : 0;
}

}  // namespace

Object::Object(CapIndex cap, std::string name) : cap_(cap), id_(IdOf(cap)) {
  if (id_ != 0) Names()[id_] = std::move(name);
}

void NameObject(CapIndex cap, std::string name) {
  if (const uint64_t id = IdOf(cap); id != 0) Names()[id] = std::move(name);
}

Object& Object::operator=(Object&& other) noexcept {
  if (this != &other) {
    Reset();
    cap_ = std::exchange(other.cap_, kNullCap);
    id_ = std::exchange(other.id_, 0);
  }
  return *this;
}

void Object::Reset() {
  if (cap_ == kNullCap) return;
  static_cast<void>(sys::CapDelete(cap_));
  runtime::Caps().Free(cap_);
  if (id_ != 0) Names().erase(id_);
  cap_ = kNullCap;
  id_ = 0;
}

absl::string_view ObjectName(uint64_t id) {
  const auto found = Names().find(id);
  return found == Names().end() ? absl::string_view() : absl::string_view(found->second);
}

}  // namespace pyrene::init
