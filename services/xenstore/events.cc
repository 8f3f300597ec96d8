// SPDX-License-Identifier: Apache-2.0
//
// Who hears of what (ABI 5.3).
#include "services/xenstore/server.h"

namespace pyrene::xenstore {

void Server::FireAll() {
  for (const Change& change : store_.TakeChanges()) Fire(change);
  for (std::string_view name : std::exchange(special_changes_, {})) FireSpecial(name);
  if (!new_watch_) return;
  // The first event of a watch is not left out for one that waits: that one may have been read, and
  // acted on, by then.
  Watch* watch = watches_.Find(new_watch_->connection, new_watch_->path, new_watch_->token);
  new_watch_.reset();
  if (watch != nullptr) Queue(watch, watch->EventFor(watch->path));
}

void Server::Fire(const Change& change) {
  watches_.ForEachAtOrAbove(change.path, [&](Watch& watch, uint32_t levels) {
    if (levels > watch.depth) return;
    // Only who can read the node, or could until now, or could see it in its parent's list, may
    // hear of it.
    Caller caller = CallerOf(*Find(watch.connection));
    auto may_read = [&](const Perms& perms) { return (AccessOf(perms, caller) & kRead) != 0; };
    auto may_read_at = [&](std::string_view path) {
      const Node* node = store_.tree().Find(path);
      return node != nullptr && may_read(node->perms);
    };
    if (caller.privileged || may_read_at(change.path) || may_read_at(ParentOf(change.path)) ||
        (change.removed && may_read(change.removed->perms)) ||
        (!change.old_perms.empty() && may_read(change.old_perms))) {
      Deliver(&watch, change.path);
    }
  });
  if (!change.removed) return;
  // Of the nodes below only those hear that watch exactly one of them: for all others the event
  // above says it.
  std::vector<const Perms*>
      way;  // permissions from the removed node down to the visited one's parent
  uint32_t top = DepthOf(change.path);
  ForEachNode(*change.removed, change.path, [&](const Node& gone, std::string_view path) {
    way.resize(DepthOf(path) - top);
    watches_.ForEachAt(path, [&](Watch& watch) {
      if (way.empty()) return;  // the removed node itself
      Caller caller = CallerOf(*Find(watch.connection));
      if ((AccessOf(gone.perms, caller) | AccessOf(*way.back(), caller)) & kRead) {
        Deliver(&watch, path);
      }
    });
    way.push_back(&gone.perms);
  });
}

void Server::FireSpecial(std::string_view path) {
  const Perms& perms = special_perms_.find(path)->second;
  watches_.ForEachAt(path, [&](Watch& watch) {
    if (AccessOf(perms, CallerOf(*Find(watch.connection))) & kRead) Deliver(&watch, path);
  });
}

void Server::Deliver(Watch* watch, std::string_view changed) {
  Connection* connection = Find(watch->connection);
  std::string payload = watch->EventFor(changed);
  if (!connection->output.HasEvent(payload)) Queue(watch, payload);
}

void Server::Queue(Watch* watch, std::string_view payload) {
  Connection* connection = Find(watch->connection);
  if (connection->output.event_bytes() < QuotaOf(connection->credential.domid).events) {
    QueueEvent(connection, payload);
  } else {
    connection->merged_events = true;
    if (std::exchange(watch->merged, true)) return;
    observer_->OnWatchMerged(*watch);
  }
}

void Server::DeliverMerged(Connection* connection) {
  connection->merged_events = false;
  for (const auto& [path, token] : connection->watches) {
    Watch* watch = watches_.Find(connection->id, path, token);
    if (!watch->merged) continue;
    watch->merged = false;
    observer_->OnWatchMerged(*watch);
    Deliver(watch, path);
  }
}

void Server::QueueEvent(Connection* connection, std::string_view payload) {
  uint64_t before = connection->output.bytes();
  connection->output.PushEvent(payload);
  store_.account(connection->credential.domid).memory += connection->output.bytes() - before;
  observer_->OnOutputQueued(connection->id, connection->output.messages().back().wire);
  host_->Wake(connection->id);
}

}  // namespace pyrene::xenstore
