// SPDX-License-Identifier: Apache-2.0
#include "runtime/port.h"

#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/port_call.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::runtime {
namespace {

// Empty indices for what the other side may send.
class Landing {
 public:
  Landing() {
    for (CapIndex& index : index_) index = Caps().Allocate();
  }
  ~Landing() {
    for (const CapIndex index : index_) Caps().Free(index);
  }
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;

  uint64_t Packed() const { return sys::PackCaps(index_[0], index_[1], index_[2], index_[3]); }

  // The first `count` were filled: they are the message's now.
  void MoveTo(PortMessage& message, uint64_t count) {
    for (unsigned i = 0; i < PortMessage::kMaxHandles; ++i) {
      message.received[i] = OwnedHandle(i < count ? index_[i] : kNullCap);
      if (i < count) index_[i] = kNullCap;
    }
  }

 private:
  CapIndex index_[PortMessage::kMaxHandles];
};

template <typename Exchange>
sys::PortAnswer Transfer(PortMessage& message, Exchange exchange) {
  sys::PortMessage words;
  for (unsigned i = 0; i < 8; ++i) words.word[i] = message.word[i];
  const auto& send = message.send;
  Landing landing;
  const sys::PortAnswer answer =
      exchange(words, sys::PackCaps(send[0], send[1], send[2], send[3]), landing.Packed());
  if (answer.status == Status::kOk) {
    for (unsigned i = 0; i < 8; ++i) message.word[i] = words.word[i];
    message.send = {};
    landing.MoveTo(message, answer.caps);
  }
  return answer;
}

}  // namespace

absl::StatusOr<Port> Port::Create() {
  const CapIndex index = Caps().Allocate();
  if (index == kNullCap)
    return absl::ResourceExhaustedError("port_create: no capability index left");
  if (const Status status = sys::PortCreate(index); status != Status::kOk) {
    Caps().Free(index);
    return ToStatus(status, "port_create");
  }
  return Adopt(index);
}

absl::Status Port::Call(PortMessage& message) const {
  const CapIndex port = handle_.get();
  const sys::PortAnswer answer =
      Transfer(message, [port](sys::PortMessage& words, uint64_t send, uint64_t receive) {
        return sys::PortCall(port, words, send, receive);
      });
  return ToStatus(answer.status, "port_call");
}

absl::StatusOr<uint64_t> Port::ReplyAndWait(PortMessage& message) const {
  const CapIndex port = handle_.get();
  const sys::PortAnswer answer =
      Transfer(message, [port](sys::PortMessage& words, uint64_t send, uint64_t receive) {
        return sys::PortReplyWait(port, words, send, receive);
      });
  if (answer.status != Status::kOk) return ToStatus(answer.status, "port_reply_wait");
  return answer.badge;
}

absl::StatusOr<OwnedHandle> Port::CallHandle(uint64_t badge) const {
  const CapIndex index = Caps().Allocate();
  if (index == kNullCap) return absl::ResourceExhaustedError("cap_copy: no capability index left");
  const Rights rights = rights::kCall | rights::kCopy;
  if (const Status status = sys::CapCopy(kNullCap, index, handle_.get(), rights, badge);
      status != Status::kOk) {
    Caps().Free(index);
    return ToStatus(status, "cap_copy");
  }
  return OwnedHandle(index);
}

}  // namespace pyrene::runtime
