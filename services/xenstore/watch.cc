// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/watch.h"

#include <algorithm>

namespace pyrene::xenstore {
namespace {

constexpr uint64_t kOverhead = 64;  // of the table's entry and of the strings' allocations

}  // namespace

std::string Watch::EventFor(std::string_view changed) const {
  std::string payload(changed.substr(home_length));
  payload.push_back('\0');
  payload.append(token);
  payload.push_back('\0');
  return payload;
}

uint64_t Watch::Bytes() const { return sizeof(Watch) + kOverhead + path.size() + token.size(); }

void WatchTable::Add(Watch watch) { by_hash_[Hash(watch.path)].push_back(std::move(watch)); }

void WatchTable::Remove(const Watch& watch) {
  auto found = by_hash_.find(Hash(watch.path));
  std::vector<Watch>& watches = found->second;
  watches.erase(watches.begin() + (&watch - watches.data()));
  if (watches.empty()) by_hash_.erase(found);
}

Watch* WatchTable::Find(ConnectionId connection, std::string_view path, std::string_view token) {
  auto found = by_hash_.find(Hash(path));
  if (found == by_hash_.end()) return nullptr;
  auto watch =
      std::find_if(found->second.begin(), found->second.end(), [&](const Watch& candidate) {
        return candidate.connection == connection && candidate.path == path &&
               candidate.token == token;
      });
  return watch == found->second.end() ? nullptr : &*watch;
}

uint64_t WatchTable::Hash(std::string_view path) {
  uint64_t hash = kSeed;
  for (char c : path) hash = Step(hash, c);
  return hash;
}

}  // namespace pyrene::xenstore
