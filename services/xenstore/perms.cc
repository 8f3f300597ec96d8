// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/perms.h"

#include <optional>

#include "services/xenstore/path.h"

namespace pyrene::xenstore {
namespace {

constexpr std::string_view kLetters = "nrwb";  // indexed by access

}  // namespace

Access AccessOf(const Perms& perms, const Caller& caller) {
  auto is_caller = [&](DomId domid) {
    return domid != kNobody && (domid == caller.domid || domid == caller.target);
  };
  if (caller.privileged || is_caller(perms[0].domid)) return kAll;
  for (size_t i = 1; i < perms.size(); ++i) {
    if (is_caller(perms[i].domid)) return perms[i].access;
  }
  return perms[0].access;
}

bool ParsePerm(std::string_view text, Perm* perm) {
  if (text.empty()) return false;
  size_t letter = kLetters.find(text.front());
  if (letter == std::string_view::npos) return false;
  std::optional<uint64_t> domid = ParseNumber(text.substr(1));
  if (!domid || *domid >= kFirstReserved) return false;
  *perm = {static_cast<DomId>(*domid), static_cast<Access>(letter)};
  return true;
}

std::string FormatPerms(const Perms& perms) {
  std::string text;
  for (const Perm& perm : perms) {
    text.push_back(kLetters[perm.access]);
    text.append(std::to_string(perm.domid));
    text.push_back('\0');
  }
  return text;
}

}  // namespace pyrene::xenstore
