// SPDX-License-Identifier: Apache-2.0
//
// All registered watches, found by the paths they watch. A change of a path asks once for each of
// its prefixes; the hash of each prefix is a step in the hash of the whole, so that costs one pass
// over the path however many watches there are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/xenstore/path.h"

namespace pyrene::xenstore {

struct Watch {
  static constexpr uint32_t kAnyDepth = ~uint32_t{0};

  ConnectionId connection = kNoConnection;
  std::string path;  // absolute, or special
  std::string token;
  uint32_t depth = kAnyDepth;  // levels below `path` that are watched too
  uint32_t home_length = 0;    // how much of an event's path is cut off: the home and "/" if the
                               // watch was set by relative path
  bool merged =
      false;  // events were not queued for lack of room: one for `path` itself is owed instead

  // The payload of an event for `changed`, which is at or below `path`.
  std::string EventFor(std::string_view changed) const;
  // What the watch costs its owner.
  uint64_t Bytes() const;
};

class WatchTable {
 public:
  // Mutations. Add expects that Find has found nothing; Remove needs a watch that Find returned.
  void Add(Watch watch);
  void Remove(const Watch& watch);

  // The watch of this connection on this path with this token, or null.
  Watch* Find(ConnectionId connection, std::string_view path, std::string_view token);
  const Watch* Find(ConnectionId connection, std::string_view path, std::string_view token) const {
    return const_cast<WatchTable*>(this)->Find(connection, path, token);
  }

  // Calls `visit(Watch&, levels)` for each watch on `path` or an ancestor of it, those nearest to
  // the root first; `levels` is how far below the watched path `path` lies. `visit` must neither
  // add nor remove watches.
  template <typename Visit>
  void ForEachAtOrAbove(std::string_view path, Visit visit) {
    uint32_t depth = DepthOf(path);
    uint32_t level = 0;
    auto visit_prefix = [&](uint64_t hash, size_t length) {
      auto found = by_hash_.find(hash);
      if (found == by_hash_.end()) return;
      for (Watch& watch : found->second) {
        if (watch.path == path.substr(0, length)) visit(watch, depth - level);
      }
    };
    uint64_t hash = kSeed;
    for (size_t i = 0; i < path.size(); ++i) {
      if (path[i] == '/' && i > 0) {
        visit_prefix(hash, i);
        ++level;
      }
      hash = Step(hash, path[i]);
      if (i == 0 && path[i] == '/') {
        visit_prefix(hash, 1);
        ++level;
      }
    }
    if (path.size() > 1) visit_prefix(hash, path.size());
  }

  // The same for watches on exactly this path.
  template <typename Visit>
  void ForEachAt(std::string_view path, Visit visit) {
    auto found = by_hash_.find(Hash(path));
    if (found == by_hash_.end()) return;
    for (Watch& watch : found->second) {
      if (watch.path == path) visit(watch);
    }
  }

  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [hash, watches] : by_hash_) {
      for (const Watch& watch : watches) visit(watch);
    }
  }

 private:
  static constexpr uint64_t kSeed = 14695981039346656037u;  // FNV-1a
  static uint64_t Step(uint64_t hash, char c) {
    return (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  }
  static uint64_t Hash(std::string_view path);

  // Watches whose paths have the same hash, oldest first.
  absl::flat_hash_map<uint64_t, std::vector<Watch>> by_hash_;
};

}  // namespace pyrene::xenstore
