// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/xenstore_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace pyrene::xl {
namespace {

using proto::XenstoreError;

constexpr char kToken[] = "xl";
constexpr unsigned kTries = 3;              // of a request that a restart cuts off
constexpr unsigned kTransactionTries = 20;  // each loses to somebody who succeeded
constexpr unsigned kListTries = 10;         // of a long list that changes meanwhile
constexpr size_t kMaxNames = 1 << 20;       // bytes of a list: no directory has more
// More is lost: an event only says where to look again.
constexpr size_t kMaxEvents = 1000;

absl::Status ToStatus(XenstoreError error) {
  switch (error) {
    case XenstoreError::OK:
      return absl::OkStatus();
    case XenstoreError::INVALID:
      return absl::InvalidArgumentError("Invalid argument");
    case XenstoreError::ACCESS:
    case XenstoreError::PERMISSION:
      return absl::PermissionDeniedError("Permission denied");
    case XenstoreError::EXISTS:
      return absl::AlreadyExistsError("File exists");
    case XenstoreError::NO_ENTRY:
      return absl::NotFoundError("No such file or directory");
    case XenstoreError::NO_SPACE:
      return absl::ResourceExhaustedError("No space left on device");
    case XenstoreError::IO:
      return absl::InternalError("Input/output error");
    case XenstoreError::NO_SYS:
      return absl::UnimplementedError("Function not implemented");
    case XenstoreError::BUSY:
      return absl::InternalError("Device or resource busy");
    case XenstoreError::AGAIN:
      return absl::AbortedError("Resource temporarily unavailable");
    case XenstoreError::TOO_BIG:
      return absl::OutOfRangeError("Argument list too long");
  }
  return absl::InternalError("Unknown error");
}

// Strings that each end with NUL.
std::vector<std::string> SplitStrings(absl::string_view bytes) {
  return absl::StrSplit(bytes, '\0', absl::SkipEmpty());
}

}  // namespace

XenstoreClient::XenstoreClient(Waiter& waiter, proto::Channel channel, unsigned bit)
    : waiter_(waiter),
      link_(waiter, std::move(channel), bit, "xenstore",
            {[this](proto::XenstoreReply::Reader reply) { OnReply(reply); }, nullptr, nullptr}) {}

void XenstoreClient::OnReply(proto::XenstoreReply::Reader reply) {
  if (reply.isEvent()) {
    // A watch that a command before had set may still speak.
    if (!watches_.empty() && events_.size() < kMaxEvents)
      events_.emplace_back(reply.getEvent().getPath().cStr());
    return;
  }
  const proto::Done::Reader done = reply.getDone();
  if (done.getId() == 0 || done.getId() != awaited_) return;  // of a call that was given up
  const absl::Status status = ToStatus(done.getError());
  const auto value = done.getValue().asChars();
  if (status.ok()) {
    answer_ = std::string(value.begin(), value.size());
  } else {
    answer_ = status;
  }
}

absl::StatusOr<std::string> XenstoreClient::CallOnce(const Link::Fill& fill, Waiter::CtrlC ctrl_c) {
  awaited_ = next_id_++;
  answer_.reset();
  const absl::Status status = link_.Exchange(
      [&](proto::XenstoreRequest::Builder request) {
        request.setId(awaited_);
        request.setTransaction(transaction_);
        fill(request);
      },
      [this] { return answer_.has_value(); }, kAnswerTime, ctrl_c);
  awaited_ = 0;
  if (!status.ok()) return status;
  return *std::move(answer_);
}

absl::StatusOr<std::string> XenstoreClient::Call(const Link::Fill& fill) {
  repeated_ = false;
  for (unsigned i = 1;; ++i) {
    absl::StatusOr<std::string> answer = CallOnce(fill, Waiter::CtrlC::kEnds);
    if (!absl::IsUnavailable(answer.status())) return answer;
    if (transaction_ != 0) return absl::AbortedError("the transaction is lost");
    if (i == kTries) return answer;
    repeated_ = true;
  }
}

absl::StatusOr<std::vector<std::string>> XenstoreClient::Directory(const std::string& path) {
  absl::StatusOr<std::string> names =
      Call([&path](auto request) { request.setDirectory(path.c_str()); });
  if (absl::IsOutOfRange(names.status())) return LongDirectory(path);
  if (!names.ok()) return names.status();
  return SplitStrings(*names);
}

absl::StatusOr<std::vector<std::string>> XenstoreClient::LongDirectory(const std::string& path) {
  std::string names;
  std::string generation;
  unsigned tries = 0;
  for (;;) {
    absl::StatusOr<std::string> part = Call([&](auto request) {
      proto::DirectoryPart::Builder directory = request.initDirectoryPart();
      directory.setPath(path.c_str());
      directory.setOffset(static_cast<uint32_t>(names.size()));
    });
    if (!part.ok()) return part.status();
    // The generation, NUL, names; an empty name says that this is the last part.
    const size_t end = part->find('\0');
    if (end == std::string::npos) return absl::InternalError("a list without a generation");
    if (!names.empty() && part->substr(0, end) != generation) {
      if (++tries == kListTries) return absl::AbortedError("the list does not stop changing");
      names.clear();
      continue;
    }
    generation = part->substr(0, end);
    const absl::string_view rest = absl::string_view(*part).substr(end + 1);
    const bool last =
        rest.empty() || rest == absl::string_view("\0", 1) ||
        (rest.size() >= 2 && rest.substr(rest.size() - 2) == absl::string_view("\0\0", 2));
    if (names.size() + rest.size() > kMaxNames)
      return absl::OutOfRangeError("a directory without an end");
    names.append(rest.data(), rest.size());
    if (last) return SplitStrings(names);
  }
}

absl::StatusOr<std::string> XenstoreClient::Read(const std::string& path) {
  return Call([&path](auto request) { request.setRead(path.c_str()); });
}

absl::StatusOr<XenstorePermissions> XenstoreClient::Permissions(const std::string& path) {
  absl::StatusOr<std::string> value =
      Call([&path](auto request) { request.setGetPermissions(path.c_str()); });
  if (!value.ok()) return value.status();
  XenstorePermissions permissions;
  for (const std::string& text : SplitStrings(*value)) {
    const std::optional<XenstorePermission> permission = ParsePermission(text);
    if (!permission.has_value()) return absl::InternalError("a permission of no known form");
    permissions.push_back(*permission);
  }
  return permissions;
}

absl::Status XenstoreClient::Write(const std::string& path, const std::string& value) {
  return Call([&](auto request) {
           proto::Write::Builder write = request.initWrite();
           write.setPath(path.c_str());
           write.setValue({reinterpret_cast<const kj::byte*>(value.data()), value.size()});
         })
      .status();
}

absl::Status XenstoreClient::Remove(const std::string& path) {
  absl::Status status = Call([&path](auto request) { request.setRemove(path.c_str()); }).status();
  // Asked again, it finds what it has done itself before the restart.
  if (absl::IsNotFound(status) && repeated_) return absl::OkStatus();
  return status;
}

absl::Status XenstoreClient::SetPermissions(const std::string& path,
                                            const XenstorePermissions& permissions) {
  return Call([&](auto request) {
           proto::SetPermissions::Builder set = request.initSetPermissions();
           set.setPath(path.c_str());
           auto list = set.initPermissions(permissions.size());
           for (size_t i = 0; i < permissions.size(); ++i)
             list.set(i, FormatPermission(permissions[i]).c_str());
         })
      .status();
}

absl::Status XenstoreClient::Transaction(const std::function<absl::Status()>& body) {
  for (unsigned i = 1;; ++i) {
    absl::Status status = TryTransaction(body);
    if (!absl::IsAborted(status) || i == kTransactionTries) return status;
  }
}

absl::Status XenstoreClient::TryTransaction(const std::function<absl::Status()>& body) {
  absl::StatusOr<std::string> number = Call([](auto request) { request.setTransactionStart(); });
  if (!number.ok()) return number.status();
  uint32_t transaction = 0;
  // The number may have the NUL that ends it on the wire.
  if (!absl::SimpleAtoi(number->c_str(), &transaction) || transaction == 0)
    return absl::InternalError("a transaction without a number");
  const uint32_t epoch = link_.epoch();
  transaction_ = transaction;
  absl::Status status = body();
  const bool commit = status.ok();
  // Whatever happened, it must not stay open.
  absl::Status ended = CallOnce([commit](auto request) { request.setTransactionEnd(commit); },
                                commit ? Waiter::CtrlC::kEnds : Waiter::CtrlC::kIsHeld)
                           .status();
  transaction_ = 0;
  if (absl::IsCancelled(status) || absl::IsCancelled(ended)) return absl::CancelledError();
  if (commit && ended.ok()) return absl::OkStatus();
  // A restarted xenstore has forgotten it. If that was during its commit, nobody knows whether it
  // was carried out; once more does no harm.
  if (link_.epoch() != epoch) return absl::AbortedError("the transaction is lost");
  return commit ? ended : status;
}

absl::Status XenstoreClient::Watch(const std::string& path) {
  if (watches_.empty()) watches_epoch_ = link_.epoch();
  watches_.insert(path);
  absl::Status status = SetWatch(path);
  if (!status.ok()) watches_.erase(path);
  return status;
}

absl::Status XenstoreClient::SetWatch(const std::string& path) {
  absl::Status status = Call([&path](auto request) {
                          proto::Watch::Builder watch = request.initWatch();
                          watch.setPath(path.c_str());
                          watch.setToken(kToken);
                        }).status();
  // Set by a call that a restart cut off, or known to the restarted xenstore.
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

absl::Status XenstoreClient::SetWatches() {
  watches_epoch_ = link_.epoch();
  for (const std::string& path : watches_) {
    if (absl::Status status = SetWatch(path); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> XenstoreClient::NextEvent(uint64_t deadline) {
  for (;;) {
    absl::Status status = waiter_.Until(
        [this] { return !events_.empty() || (link_.up() && link_.epoch() != watches_epoch_); },
        deadline);
    if (!status.ok()) return status;
    if (!events_.empty()) break;
    if (status = SetWatches(); !status.ok()) return status;
  }
  std::string path = std::move(events_.front());
  events_.pop_front();
  return path;
}

void XenstoreClient::EndWatches() {
  for (const std::string& path : watches_) {
    // A xenstore that is not there has no watches.
    if (!link_.up()) break;
    CallOnce(
        [&path](auto request) {
          proto::Watch::Builder watch = request.initUnwatch();
          watch.setPath(path.c_str());
          watch.setToken(kToken);
        },
        Waiter::CtrlC::kIsHeld)
        .IgnoreError();
  }
  watches_.clear();
  events_.clear();
}

}  // namespace pyrene::xl
