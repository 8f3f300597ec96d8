// SPDX-License-Identifier: Apache-2.0
//
// XenStore's operations (proto/xenstore.capnp) as calls that wait for their answer. xl is
// privileged there.
//
// xenstore may be restarted at any time: what was under way is asked again, transactions from their
// begin, and watches are set again, so that nothing is missed and events may come twice.
//
// Errors: as XenstoreErrorText (xenstore_format.h) knows them; those of the connection itself
// (DeadlineExceeded, Unavailable) have a sentence for the user, Cancelled (Ctrl-C) has none.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/xenstore.capnp.h"
#include "services/xl/shell/peer_link.h"
#include "services/xl/xenstore_format.h"

namespace pyrene::xl {

class XenstoreClient : public XenstoreReader {
 public:
  XenstoreClient(Waiter& waiter, proto::Channel channel, unsigned bit);

  absl::Status Start() { return link_.Start(); }

  absl::StatusOr<std::vector<std::string>> Directory(const std::string& path) override;
  absl::StatusOr<std::string> Read(const std::string& path) override;
  absl::StatusOr<XenstorePermissions> Permissions(const std::string& path) override;
  absl::Status Write(const std::string& path, const std::string& value);
  absl::Status Remove(const std::string& path);
  absl::Status SetPermissions(const std::string& path, const XenstorePermissions& permissions);

  // Carries `body` out within a transaction, from its begin again as long as others interfere.
  // An error of `body` ends it without an effect.
  absl::Status Transaction(const std::function<absl::Status()>& body);

  // Events of all watches that are set come one by one; each watch begins with one of its own.
  absl::Status Watch(const std::string& path);
  // Waits for one, and answers its path; DeadlineExceeded at `deadline`.
  absl::StatusOr<std::string> NextEvent(uint64_t deadline);
  // Ends all watches, also after Ctrl-C.
  void EndWatches();

 private:
  using Link = PeerLink<proto::XenstoreRequest, proto::XenstoreReply>;

  void OnReply(proto::XenstoreReply::Reader reply);
  // One request, asked again if xenstore is restarted; the answer's value.
  absl::StatusOr<std::string> Call(const Link::Fill& fill);
  absl::StatusOr<std::string> CallOnce(const Link::Fill& fill, Waiter::CtrlC ctrl_c);
  absl::StatusOr<std::vector<std::string>> LongDirectory(const std::string& path);
  absl::Status TryTransaction(const std::function<absl::Status()>& body);
  absl::Status SetWatch(const std::string& path);
  absl::Status SetWatches();

  Waiter& waiter_;
  Link link_;
  uint32_t next_id_ = 1;
  uint32_t awaited_ = 0;
  std::optional<absl::StatusOr<std::string>> answer_;
  uint32_t transaction_ = 0;
  bool repeated_ = false;  // the last Call asked more than once
  std::set<std::string> watches_;
  uint32_t watches_epoch_ = 0;  // of the connection in which they are set
  std::deque<std::string> events_;
};

}  // namespace pyrene::xl
