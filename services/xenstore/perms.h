// SPDX-License-Identifier: Apache-2.0
//
// Permissions of nodes (ABI 5.3): a list of letter and domid. Entry 0 names the owner, who may do
// everything, and its letter is what everybody else may do who has no entry of his own; the first
// entry that names a domain counts.
#pragma once

#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "services/xenstore/wire.h"

namespace pyrene::xenstore {

using Access = uint8_t;
inline constexpr Access kNoAccess = 0;
inline constexpr Access kRead = 1;
inline constexpr Access kWrite = 2;
inline constexpr Access kOwn = 4;  // may change the permissions; never in a Perm
inline constexpr Access kAll = kRead | kWrite | kOwn;

struct Perm {
  DomId domid = kNobody;
  Access access = kNoAccess;  // kRead | kWrite at most

  bool operator==(const Perm&) const = default;
};

// Never empty in a node.
using Perms = absl::InlinedVector<Perm, 4>;

// Of a node, whoever sets them: what a journal's record has room for.
inline constexpr size_t kMaxPermissions = 64;

// Who asks. The target is the domain that a stub domain serves, with whose rights it acts beside
// its own.
struct Caller {
  DomId domid = kNobody;
  DomId target = kNobody;
  bool privileged = false;
};

Access AccessOf(const Perms& perms, const Caller& caller);

// Reads one "r5"; false if it is none.
bool ParsePerm(std::string_view text, Perm* perm);

// "n0|r5|" with NUL for |.
std::string FormatPerms(const Perms& perms);

}  // namespace pyrene::xenstore
