// SPDX-License-Identifier: Apache-2.0
//
// One of xl's peers, as a fuzz target plays it: in each round of the event loop in which a command
// waits, it says the input's next message. When there is none left the shell is told to end, so
// that nothing waits any more.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/event_loop.h"
#include "services/xl/shell/waiter.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

namespace pyrene::fuzz {

class XlWorld {
 public:
  static constexpr unsigned kClientBit = 0;

  // `peer` is the server's end; each request of xl's is given to `take`.
  using Take = std::function<void(capnp::word*, size_t)>;
  XlWorld(Peer& peer, const uint8_t* data, size_t bytes, Take take = nullptr)
      : peer_(peer), messages_(proto::MessageMutator::Split(data, bytes)), take_(std::move(take)) {
    peer_.Connect();
    Require(loop_->AddSourceAt(kPeerBit, [this] { OnRound(); }).ok());
    Signal(kPeerBit);
  }

  xl::Waiter& waiter() { return waiter_; }
  proto::Channel Open() { return std::move(*peer_.Open()); }
  bool over() const { return next_ == messages_.size(); }

 private:
  static constexpr unsigned kPeerBit = 1;

  void Signal(unsigned bit) { loop_->notification().Signal(uint64_t{1} << bit); }
  void OnRound() {
    Signal(kPeerBit);
    Signal(kClientBit);
    peer_.Drain([this](uint8_t* request, size_t bytes) {
      if (take_) take_(reinterpret_cast<capnp::word*>(request), bytes / sizeof(capnp::word));
    });
    if (peer_.Broken()) peer_.Connect();
    if (!over()) {
      static_cast<void>(peer_.Send(messages_[next_++]));
    } else if (++idle_ == 8) {
      waiter_.Stop();
    }
  }

  Peer& peer_;
  const std::vector<proto::MessageMutator::Message> messages_;
  const Take take_;
  size_t next_ = 0;
  unsigned idle_ = 0;
  std::unique_ptr<runtime::EventLoop> loop_ = std::move(*runtime::EventLoop::Create());
  xl::Waiter waiter_{*loop_};
};

}  // namespace pyrene::fuzz
