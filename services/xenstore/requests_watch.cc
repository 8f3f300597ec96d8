// SPDX-License-Identifier: Apache-2.0
//
// WATCH, UNWATCH, RESET_WATCHES.
#include <algorithm>

#include "services/xenstore/request.h"

namespace pyrene::xenstore {

Error Server::AddWatch(Request& request) {
  Connection& connection = *request.connection;
  std::vector<std::string_view> strings = SplitStrings(request.rest);
  if (strings.empty() || strings.size() > 2 || strings[0].size() > kMaxToken)
    return Error::kInvalid;
  Watch watch{connection.id, request.path, std::string(strings[0])};
  if (request.relative_length != 0) {
    watch.home_length = static_cast<uint32_t>(watch.path.size()) - request.relative_length;
  }
  if (strings.size() == 2) {
    std::optional<uint64_t> depth = ParseNumber(strings[1]);
    if (!depth) return Error::kInvalid;
    watch.depth = static_cast<uint32_t>(std::min<uint64_t>(*depth, Watch::kAnyDepth));
  }
  if (IsSpecial(watch.path)) {
    const Perms& perms = special_perms_.find(watch.path)->second;
    if (!(AccessOf(perms, request.caller) & kRead)) return Error::kAccess;
  }
  if (watches_.Find(connection.id, watch.path, watch.token) != nullptr) return Error::kExists;
  Account& account = store_.account(request.caller.domid);
  if (!request.caller.privileged && (account.watches >= request.quota->watches ||
                                     account.memory + watch.Bytes() > request.quota->memory)) {
    return Error::kNoSpace;
  }
  ++account.watches;
  account.memory += watch.Bytes();
  connection.watches.emplace_back(watch.path, watch.token);
  new_watch_ = watch;
  observer_->OnWatchAdded(watch);
  watches_.Add(std::move(watch));
  return Error::kOk;
}

Error Server::RemoveWatch(Request& request) {
  Connection& connection = *request.connection;
  std::vector<std::string_view> strings = SplitStrings(request.rest);
  if (strings.size() != 1) return Error::kInvalid;
  auto listed = std::find(connection.watches.begin(), connection.watches.end(),
                          std::pair(request.path, std::string(strings[0])));
  if (listed == connection.watches.end()) return Error::kNoEntry;
  DropWatch(connection, *listed);
  connection.watches.erase(listed);
  return Error::kOk;
}

Error Server::ResetWatches(Request& request) {
  DropWatches(request.connection);
  DropTransactions(request.connection);
  return Error::kOk;
}

void Server::DropWatches(Connection* connection) {
  for (const auto& watch : connection->watches) DropWatch(*connection, watch);
  connection->watches.clear();
  connection->merged_events = false;
}

void Server::DropWatch(const Connection& connection,
                       const std::pair<std::string, std::string>& key) {
  const Watch* watch = watches_.Find(connection.id, key.first, key.second);
  Account& account = store_.account(connection.credential.domid);
  --account.watches;
  account.memory -= watch->Bytes();
  watches_.Remove(*watch);
  observer_->OnWatchRemoved(connection.id, key.first, key.second);
}

}  // namespace pyrene::xenstore
