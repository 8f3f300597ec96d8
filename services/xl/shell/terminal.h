// SPDX-License-Identifier: Apache-2.0
//
// The serial line as xl has it, by its channel with console (proto/console.capnp): text out, typed
// bytes in, the line given to a guest and taken back, and the log.
//
// Nothing that was printed is lost when console dies: text is kept until console has said that it
// has taken it, and is sent again to console's next life.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/console.capnp.h"
#include "services/xl/shell/peer_link.h"

namespace pyrene::xl {

class Terminal {
 public:
  Terminal(Waiter& waiter, proto::Channel channel, unsigned bit);

  absl::Status Start() { return link_.Start(); }

  // Prints `text`; waits while console is far behind. After Ctrl-C, while a command runs, drops it.
  void Print(absl::string_view text);
  // Whether what was printed last ended a line.
  bool at_line_start() const { return at_line_start_; }
  // Waits until all of it has left the UART; at most `time` nanoseconds.
  void Drain(uint64_t time);

  // While a command runs, Ctrl-C interrupts what waits, and drops what was typed ahead.
  void SetBusy(bool busy) { busy_ = busy; }
  bool HasInput() const { return !input_.empty(); }
  uint8_t TakeByte();

  // Gives the line to a guest. NotFound: console knows no such guest.
  absl::Status Attach(uint16_t domid);
  // Takes it back.
  void Detach();
  // Waits until the line is xl's: Ctrl-], or the guest is gone.
  void WaitForLine();

  struct LogPart {
    uint64_t position = 0;  // of the text's first byte
    std::string text;       // empty: nothing newer
  };
  absl::StatusOr<LogPart> ReadLog(uint64_t position);
  absl::Status ClearLog();

 private:
  using Link = PeerLink<proto::ConsoleRequest, proto::ConsoleEvent>;
  struct Chunk {
    uint32_t id = 0;    // 0: never sent. Kept over connections: console shows an id once
    bool sent = false;  // in this connection
    std::string text;
  };
  struct Input {
    uint32_t id = 0;
    std::string bytes;
  };

  void OnConnected();
  void OnEvent(proto::ConsoleEvent::Reader event);
  void SendQueued();
  void TakeInput(absl::string_view bytes);
  void SetOwner(uint16_t domid);
  bool AllSent() const { return queue_.empty() || queue_.back().sent; }
  absl::Status WaitForRoom();
  // Sends a request behind all text, and waits for its answer.
  absl::Status Call(const std::function<void(proto::ConsoleRequest::Builder)>& fill,
                    Waiter::CtrlC ctrl_c = Waiter::CtrlC::kEnds, uint64_t time = kAnswerTime);

  Waiter& waiter_;
  Link link_;
  uint32_t next_id_ = 1;

  std::deque<Chunk> queue_;  // not yet taken; those with an id come first
  size_t queued_bytes_ = 0;
  bool at_line_start_ = true;

  std::optional<Input> arrived_;  // not answered yet, so not acted on
  std::deque<uint8_t> input_;
  bool busy_ = false;

  std::optional<uint16_t> owner_;  // whose the line is, 0: xl's; nothing: not known

  uint32_t awaited_ = 0;  // id of the request that is answered by `answer_`
  std::optional<absl::Status> answer_;
  LogPart log_;
};

}  // namespace pyrene::xl
