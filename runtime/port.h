// SPDX-License-Identifier: Apache-2.0
//
// Port: call and reply with eight words and up to four handles. A server knows its callers by the
// badge of the handle that they call through, which the kernel delivers; never by a word of the
// message.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/handle.h"

namespace pyrene::runtime {

struct PortMessage {
  static constexpr unsigned kMaxHandles = 4;
  std::array<uint64_t, 8> word = {};
  // Copies of these go over, up to the first that is empty. They stay the sender's, and a copy
  // lives no longer than what it was made from. Emptied by the call, so that a reply does not send
  // them again.
  std::array<Handle, kMaxHandles> send = {};
  // What came over, up to the first that is empty; this process's from now on.
  std::array<OwnedHandle, kMaxHandles> received;
};

class Port {
 public:
  Port() = default;
  static absl::StatusOr<Port> Create();
  static Port Adopt(Handle handle) { return Port(OwnedHandle(handle)); }

  Handle handle() const { return handle_.get(); }
  explicit operator bool() const { return static_cast<bool>(handle_); }

  // Sends `message` and waits for the answer, which takes its place. Blocks as long as the server
  // does: init and services that must not depend on the server's good will do not call. Unavailable
  // when the server is gone.
  absl::Status Call(PortMessage& message) const;

  // Server. Answers the caller whose request this thread got last, if any, with `message`, then
  // waits for a request, which takes its place; answers the caller's badge. One thread at a time.
  absl::StatusOr<uint64_t> ReplyAndWait(PortMessage& message) const;

  // A handle to call through, for the client that `badge` (not 0) names, who gets a copy of it. The
  // copy ends with it.
  absl::StatusOr<OwnedHandle> CallHandle(uint64_t badge) const;

 private:
  explicit Port(OwnedHandle handle) : handle_(std::move(handle)) {}
  OwnedHandle handle_;
};

}  // namespace pyrene::runtime
