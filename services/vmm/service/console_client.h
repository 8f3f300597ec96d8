// SPDX-License-Identifier: Apache-2.0
//
// The VMM's channel with console: text that the guest wrote by hypercall (earlycon), and the
// guest's starts and stops. Text is kept, bounded, until console has answered for it, so that a
// killed console loses none.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "absl/strings/string_view.h"
#include "proto/channel.h"
#include "proto/console.capnp.h"

namespace pyrene::vmm {

class ConsoleClient {
 public:
  ConsoleClient(proto::Channel channel, unsigned bit) : channel_(std::move(channel)), bit_(bit) {}

  unsigned bit() const { return bit_; }

  // Any thread. True: OnWake is to be called soon. Text beyond the bound is dropped, and a line
  // says so.
  bool AddText(absl::string_view text);

  // The event thread, as all that follows.
  void Started(uint32_t port);
  // `told` is called when console has taken all that came before.
  void Stopped(std::function<void()> told);
  void OnWake();

 private:
  struct Message {
    uint32_t id;
    enum class Kind : uint8_t { kText, kStarted, kStopped } kind;
    std::string text;
    uint32_t port = 0;
    std::function<void()> told;
  };
  static constexpr size_t kMaxText = 16384;   // bytes from the guest that wait
  static constexpr size_t kPart = 2048;       // bytes in one message
  static constexpr size_t kMaxMessages = 64;  // unanswered

  void TakeText();
  void Send();

  proto::Channel channel_;
  unsigned bit_;
  proto::MessageBuilder builder_;
  uint32_t epoch_ = 0;
  uint32_t next_id_ = 1;
  std::deque<Message> messages_;  // unanswered, oldest first
  size_t sent_ = 0;               // of them, in this epoch

  std::mutex lock_;  // the two below
  std::string text_;
  size_t dropped_ = 0;
};

}  // namespace pyrene::vmm
