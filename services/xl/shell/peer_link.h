// SPDX-License-Identifier: Apache-2.0
//
// xl's end of one of its channels: connects, hands on what comes, and makes request and answer one
// call that waits (waiter.h). A peer may be restarted at any time; a call that is under way then
// ends with Unavailable, and the caller says whether it may be repeated.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/channel.h"
#include "services/xl/shell/waiter.h"

namespace pyrene::xl {

// How long an answer may take.
inline constexpr uint64_t kAnswerTime = 10 * runtime::kSecond;

template <typename Request, typename Reply>
class PeerLink {
 public:
  using Fill = std::function<void(typename Request::Builder)>;

  // Called from the event loop; each is optional but `message`.
  struct Handlers {
    std::function<void(typename Reply::Reader)> message;
    std::function<void()> connected;  // the first message of a connection has not been read yet
    std::function<void()> woken;      // after the messages; the connection is up
  };

  // `bit` of the event loop's notification is what the peer signals; `peer` its name, for messages.
  PeerLink(Waiter& waiter, proto::Channel channel, unsigned bit, std::string peer,
           Handlers handlers)
      : waiter_(waiter),
        channel_(std::move(channel)),
        bit_(bit),
        peer_(std::move(peer)),
        handlers_(std::move(handlers)) {}

  // Once, before anything else.
  absl::Status Start() {
    absl::Status status = waiter_.loop().AddSourceAt(bit_, [this] { OnWake(); });
    if (status.ok()) OnWake();
    return status;
  }

  bool up() const { return channel_.state() == proto::Channel::State::kUp; }
  uint32_t epoch() const { return channel_.epoch(); }
  const proto::Pool& pool() const { return channel_.pool(); }

  // Sends one message. ResourceExhausted and FailedPrecondition: not now; InvalidArgument: too
  // large.
  absl::Status TrySend(const Fill& fill) {
    fill(builder_.template Start<Request>());
    absl::Status status = channel_.Send(builder_);
    channel_.Flush();
    return status;
  }

  // Sends a message and waits until `done`, which the handler of messages makes true. The error's
  // text is for the user: DeadlineExceeded; Unavailable: the peer was restarted before it
  // answered; Cancelled: Ctrl-C.
  absl::Status Exchange(const Fill& fill, const std::function<bool()>& done,
                        uint64_t time = kAnswerTime, Waiter::CtrlC ctrl_c = Waiter::CtrlC::kEnds) {
    const uint64_t deadline = runtime::MonotonicNow() + time;
    absl::Status sent;
    absl::Status status = waiter_.Until(
        [&] {
          if (!up()) return false;
          sent = TrySend(fill);
          return !absl::IsResourceExhausted(sent) && !absl::IsFailedPrecondition(sent);
        },
        deadline, ctrl_c);
    if (!status.ok()) return Explain(status, "is not there", time);
    if (!sent.ok()) return sent;
    const uint32_t epoch = channel_.epoch();
    const auto lost = [&] { return !up() || channel_.epoch() != epoch; };
    status = waiter_.Until([&] { return done() || lost(); }, deadline, ctrl_c);
    if (!status.ok()) return Explain(status, "did not answer", time);
    if (done()) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(peer_, " was restarted before it answered"));
  }

 private:
  static constexpr unsigned kBatch = 16;

  void OnWake() {
    if (channel_.Update() != proto::Channel::State::kUp) return;
    if (channel_.epoch() != epoch_) {
      epoch_ = channel_.epoch();
      if (handlers_.connected) handlers_.connected();
    }
    const bool more =
        channel_.template Receive<Reply>(kBatch, [this](typename Reply::Reader reply) {
          handlers_.message(reply);
          return absl::OkStatus();
        });
    if (handlers_.woken && up()) handlers_.woken();
    channel_.Flush();
    if (more) waiter_.loop().notification().Signal(uint64_t{1} << bit_);
  }

  absl::Status Explain(const absl::Status& status, absl::string_view what, uint64_t time) const {
    if (!absl::IsDeadlineExceeded(status)) return status;
    return absl::DeadlineExceededError(absl::StrCat(peer_, " ", what, " within ",
                                                    time / runtime::kSecond,
                                                    " s (`ps` and `xl dmesg` say more)"));
  }

  Waiter& waiter_;
  proto::Channel channel_;
  unsigned bit_;
  std::string peer_;
  Handlers handlers_;
  proto::MessageBuilder builder_;
  uint32_t epoch_ = 0;  // of the connection whose messages are read
};

}  // namespace pyrene::xl
