// SPDX-License-Identifier: Apache-2.0
//
// Paths of nodes: their syntax (ABI 5.3), the way from a relative to an absolute one, and walking
// along their components. Everywhere behind Canonicalize a path is absolute and valid: "/" or
// "/a/b", no empty component, at most kMaxAbsolutePath.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "services/xenstore/wire.h"

namespace pyrene::xenstore {

// The two names beside the tree that can be watched, and whose permissions say who may.
inline constexpr std::string_view kIntroduceDomain = "@introduceDomain";
inline constexpr std::string_view kReleaseDomain = "@releaseDomain";

inline bool IsSpecial(std::string_view path) {
  return path == kIntroduceDomain || path == kReleaseDomain;
}

// "/local/domain/<domid>"
std::string HomeOf(DomId domid);

// Checks `input` and makes it absolute, below the home of `domid` if it is relative. kInvalid if it
// is not a path.
Error Canonicalize(std::string_view input, DomId domid, std::string* absolute);

// The path without its last component; "/" for "/a" and for "/".
std::string_view ParentOf(std::string_view path);

// Whether `path` is `ancestor` or lies below it.
bool IsAtOrBelow(std::string_view path, std::string_view ancestor);

// The number of components: 0 for "/".
uint32_t DepthOf(std::string_view path);

// The components of an absolute path, first to last, each with its hash:
//   for (Components rest(path); rest.Next();) use rest.name(), rest.hash(), rest.end()
class Components {
 public:
  explicit Components(std::string_view path) : path_(path) {}

  // Moves to the next component; false after the last.
  bool Next() {
    size_t begin = end_ + 1;
    if (begin >= path_.size()) return false;
    hash_ = 2166136261u;  // FNV-1a
    for (end_ = begin; end_ < path_.size() && path_[end_] != '/'; ++end_) {
      hash_ = (hash_ ^ static_cast<uint8_t>(path_[end_])) * 16777619u;
    }
    name_ = path_.substr(begin, end_ - begin);
    return true;
  }

  std::string_view name() const { return name_; }
  uint32_t hash() const { return hash_; }
  // Where the component ends in the path; 0 before the first.
  size_t end() const { return end_; }

 private:
  std::string_view path_;
  std::string_view name_;
  uint32_t hash_ = 0;
  size_t end_ = 0;
};

// A decimal number without sign, space or leading plus.
std::optional<uint64_t> ParseNumber(std::string_view text);

// The number of a domain: 1 to kFirstReserved - 1.
std::optional<DomId> ParseDomId(std::string_view text);

}  // namespace pyrene::xenstore
