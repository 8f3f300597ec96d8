// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/journal/restore.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/message.h"

namespace pyrene::xenstore {
namespace {

using proto::XenstoreRecord;

std::string_view Chars(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

std::string_view Chars(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

// Empty: none that can be.
Perms PermsOf(capnp::List<uint32_t>::Reader list) {
  Perms perms(0);
  if (list.size() > kMaxPermissions) return perms;
  for (const uint32_t entry : list) {
    if (entry >> 16 > (kRead | kWrite)) {
      perms.clear();
      return perms;
    }
    perms.push_back({static_cast<DomId>(entry), static_cast<Access>(entry >> 16)});
  }
  return perms;
}

Watch WatchOf(proto::JournalWatch::Reader from) {
  Watch watch{from.getConnection(), std::string(Chars(from.getPath())),
              std::string(Chars(from.getToken()))};
  watch.depth = from.getDepth();
  watch.home_length = from.getHomeLength();
  watch.merged = from.getMerged();
  return watch;
}

RingState RingOf(proto::RingPosition::Reader from) {
  RingState state;
  state.request_consumer = from.getRequestConsumer();
  state.reply_producer = from.getReplyProducer();
  state.output_offset = from.getOutputOffset();
  state.error = static_cast<RingError>(from.getError());
  state.input = std::string(Chars(from.getInput()));
  return state;
}

}  // namespace

absl::Status Restorer::Take(journal::Log::Record record) {
  return proto::ReadMessage<XenstoreRecord>(
      kj::arrayPtr(reinterpret_cast<const capnp::word*>(record.data()), record.size()),
      [this](XenstoreRecord::Reader reader) {
        if (Apply(reader)) return absl::OkStatus();
        return absl::InvalidArgumentError(absl::StrCat(
            "a change of kind ", static_cast<int>(reader.which()), " that can not be"));
      });
}

bool Restorer::TakeSnapshotNode(proto::SnapshotNode::Reader node) {
  const size_t depth = node.getDepth();
  const std::string_view name = Chars(node.getName());
  if (depth == 0) {
    path_.clear();
    ends_.clear();
    return name.empty() &&
           server_->RestoreNode("/", Chars(node.getValue()), PermsOf(node.getPermissions()));
  }
  if (depth > ends_.size() + 1 || name.empty() || name.find('/') != std::string_view::npos)
    return false;
  ends_.resize(depth - 1);
  path_.resize(ends_.empty() ? 0 : ends_.back());
  path_.append("/").append(name);
  ends_.push_back(path_.size());
  return server_->RestoreNode(path_, Chars(node.getValue()), PermsOf(node.getPermissions()));
}

bool Restorer::Apply(XenstoreRecord::Reader record) {
  switch (record.which()) {
    case XenstoreRecord::GENERATION:
      return server_->RestoreGeneration(record.getGeneration());
    case XenstoreRecord::SNAPSHOT_NODE:
      return TakeSnapshotNode(record.getSnapshotNode());
    case XenstoreRecord::CONNECTION:
    case XenstoreRecord::CONNECTION_OPENED: {
      const auto connection =
          record.isConnection() ? record.getConnection() : record.getConnectionOpened();
      return server_->RestoreConnection(connection.getId(),
                                        {connection.getDomid(), connection.getPrivileged()},
                                        connection.getRing(), connection.getLastTransaction());
    }
    case XenstoreRecord::NODE_SET: {
      const auto node = record.getNodeSet();
      return server_->RestoreNode(Chars(node.getPath()), Chars(node.getValue()),
                                  PermsOf(node.getPermissions()));
    }
    case XenstoreRecord::NODE_REMOVED:
      return server_->RestoreNodeRemoved(Chars(record.getNodeRemoved()));
    case XenstoreRecord::SPECIAL_PERMISSIONS: {
      const auto node = record.getSpecialPermissions();
      return server_->RestoreSpecialPerms(Chars(node.getPath()), PermsOf(node.getPermissions()));
    }
    case XenstoreRecord::CONNECTION_CLOSED:
      rings_.erase(record.getConnectionClosed());
      return server_->RestoreConnectionClosed(record.getConnectionClosed());
    case XenstoreRecord::CONNECTION_RESET:
      return server_->RestoreConnectionReset(record.getConnectionReset());
    case XenstoreRecord::WATCH_ADDED:
      return server_->RestoreWatch(WatchOf(record.getWatchAdded()));
    case XenstoreRecord::WATCH_REMOVED: {
      const auto watch = record.getWatchRemoved();
      return server_->RestoreWatchRemoved(watch.getConnection(), Chars(watch.getPath()),
                                          Chars(watch.getToken()));
    }
    case XenstoreRecord::WATCH_MERGED: {
      const auto watch = record.getWatchMerged();
      return server_->RestoreWatchMerged(watch.getConnection(), Chars(watch.getPath()),
                                         Chars(watch.getToken()), watch.getMerged());
    }
    case XenstoreRecord::TRANSACTION_STARTED: {
      const auto open = record.getTransactionStarted();
      return server_->RestoreTransaction(open.getConnection(), open.getId());
    }
    case XenstoreRecord::TRANSACTION_ENDED: {
      const auto open = record.getTransactionEnded();
      return server_->RestoreTransactionEnded(open.getConnection(), open.getId());
    }
    case XenstoreRecord::OUTPUT_QUEUED: {
      const auto output = record.getOutputQueued();
      return server_->RestoreOutput(output.getConnection(), Chars(output.getWire()));
    }
    case XenstoreRecord::OUTPUT_TAKEN: {
      const auto taken = record.getOutputTaken();
      return server_->RestoreOutputTaken(taken.getConnection(), taken.getMessages());
    }
    case XenstoreRecord::RING: {
      RingState state = RingOf(record.getRing());
      const ConnectionId id = record.getRing().getConnection();
      if (!server_->connections().contains(id) || state.input.size() > kHeaderSize + kMaxPayload ||
          state.error > RingError::kProtocol) {
        return false;
      }
      rings_[id] = std::move(state);
      return true;
    }
    case XenstoreRecord::DOMAIN_SET: {
      const auto from = record.getDomainSet();
      Domain domain;
      domain.shut_down = from.getShutDown();
      domain.gfn = from.getGfn();
      domain.port = from.getPort();
      domain.target = from.getTarget();
      domain.connection = from.getConnection();
      return server_->RestoreDomain(from.getDomid(), domain);
    }
    case XenstoreRecord::DOMAIN_RELEASED:
      return server_->RestoreDomainReleased(record.getDomainReleased());
    case XenstoreRecord::VMM_DIRECTORY: {
      const auto directory = record.getVmmDirectory();
      server_->SetVmmDirectory(directory.getDomid(), std::string(Chars(directory.getPath())));
      return true;
    }
  }
  return false;
}

std::map<ConnectionId, RingState> Restorer::TakeRings() {
  for (auto& [id, state] : rings_) {
    // How much of the front is in the ring: it must be there.
    const OutQueue* const output = server_->Output(id);
    if (output->empty() || state.output_offset >= output->front().wire.size())
      state.output_offset = 0;
  }
  return std::exchange(rings_, {});
}

}  // namespace pyrene::xenstore
