// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/terminal.h"

#include <algorithm>
#include <utility>

#include "runtime/log.h"

namespace pyrene::xl {
namespace {

constexpr size_t kMaxChunk = 4096;  // of terminalWrite
constexpr size_t kMaxQueued = 32 * 1024;
// What is typed ahead beyond this is lost, as with any terminal.
constexpr size_t kMaxInput = 16 * 1024;
constexpr uint32_t kMaxLogBytes = 4096;
constexpr char kCtrlC = '\x03';

capnp::Data::Reader DataOf(absl::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

std::string TextOf(capnp::Data::Reader data) {
  const auto chars = data.asChars();
  return {chars.begin(), chars.size()};
}

}  // namespace

Terminal::Terminal(Waiter& waiter, proto::Channel channel, unsigned bit)
    : waiter_(waiter),
      link_(waiter, std::move(channel), bit, "console",
            {[this](proto::ConsoleEvent::Reader event) { OnEvent(event); },
             [this] { OnConnected(); }, [this] { SendQueued(); }}) {}

void Terminal::OnConnected() {
  owner_.reset();  // the first event says it
  for (Chunk& chunk : queue_) chunk.sent = false;
  // Console's former life had given this away for good.
  if (arrived_.has_value()) TakeInput(std::exchange(arrived_, std::nullopt)->bytes);
}

void Terminal::OnEvent(proto::ConsoleEvent::Reader event) {
  const uint32_t id = event.getId();
  const bool awaited = id != 0 && id == awaited_;
  switch (event.which()) {
    case proto::ConsoleEvent::INPUT:
      arrived_ = Input{id, TextOf(event.getInput())};
      break;
    case proto::ConsoleEvent::ATTACHED:
      owner_ = event.getAttached();
      if (awaited) answer_ = absl::OkStatus();
      break;
    case proto::ConsoleEvent::DETACHED:
      owner_ = 0;
      if (awaited) answer_ = absl::OkStatus();
      break;
    case proto::ConsoleEvent::LOG:
      if (!awaited) break;
      log_ = {event.getLog().getPosition(), TextOf(event.getLog().getText())};
      answer_ = absl::OkStatus();
      break;
    case proto::ConsoleEvent::FLUSHED:
      if (awaited) answer_ = absl::OkStatus();
      break;
    case proto::ConsoleEvent::FAILED:
      if (awaited) answer_ = absl::NotFoundError(event.getFailed().cStr());
      break;
    case proto::ConsoleEvent::TAKEN:
      while (!queue_.empty() && queue_.front().id != 0 && queue_.front().id <= id) {
        queued_bytes_ -= queue_.front().text.size();
        queue_.pop_front();
      }
      break;
  }
}

void Terminal::SendQueued() {
  if (arrived_.has_value()) {
    const uint32_t id = arrived_->id;
    const absl::Status sent = link_.TrySend([id](auto request) {
      request.setId(id);
      request.setInputTaken();
    });
    if (sent.ok()) TakeInput(std::exchange(arrived_, std::nullopt)->bytes);
  }
  for (Chunk& chunk : queue_) {
    if (chunk.sent) continue;
    const uint32_t id = chunk.id != 0 ? chunk.id : next_id_;
    const absl::Status sent = link_.TrySend([&](auto request) {
      request.setId(id);
      request.setTerminalWrite(DataOf(chunk.text));
    });
    if (!sent.ok()) return;
    chunk.sent = true;
    if (chunk.id != 0) continue;
    chunk.id = id;
    ++next_id_;
  }
}

void Terminal::TakeInput(absl::string_view bytes) {
  if (busy_) {
    const size_t last = bytes.rfind(kCtrlC);
    if (last != absl::string_view::npos) {
      input_.clear();
      bytes.remove_prefix(last + 1);
      waiter_.Interrupt();
    }
  }
  bytes = bytes.substr(0, kMaxInput - std::min(kMaxInput, input_.size()));
  input_.insert(input_.end(), bytes.begin(), bytes.end());
}

uint8_t Terminal::TakeByte() {
  const uint8_t byte = input_.front();
  input_.pop_front();
  return byte;
}

void Terminal::Print(absl::string_view text) {
  if (busy_ && waiter_.interrupted()) return;
  while (!text.empty()) {
    const absl::string_view part = text.substr(0, kMaxChunk);
    text.remove_prefix(part.size());
    at_line_start_ = part.back() == '\n';
    if (queue_.empty() || queue_.back().id != 0 ||
        queue_.back().text.size() + part.size() > kMaxChunk) {
      queue_.emplace_back();
    }
    queue_.back().text.append(part.data(), part.size());
    queued_bytes_ += part.size();
    if (link_.up()) SendQueued();
    if (!WaitForRoom().ok()) return;
  }
}

// Console may be slow, or be restarting; it gets as long as it makes progress.
absl::Status Terminal::WaitForRoom() {
  while (queued_bytes_ > kMaxQueued) {
    const size_t before = queued_bytes_;
    absl::Status status = waiter_.Until([&] { return queued_bytes_ < before; },
                                        runtime::MonotonicNow() + kAnswerTime);
    if (absl::IsDeadlineExceeded(status)) {
      runtime::LogWarning("console takes no text: ", queued_bytes_, " bytes dropped");
      queue_.clear();
      queued_bytes_ = 0;
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Terminal::Call(const std::function<void(proto::ConsoleRequest::Builder)>& fill,
                            Waiter::CtrlC ctrl_c, uint64_t time) {
  const uint64_t deadline = runtime::MonotonicNow() + time;
  for (;;) {
    answer_.reset();
    // Without a connection Exchange waits for one, and tells the user if none comes.
    absl::Status status =
        waiter_.Until([this] { return AllSent() || !link_.up(); }, deadline, ctrl_c);
    if (absl::IsDeadlineExceeded(status))
      status = absl::DeadlineExceededError("console takes no text");
    if (status.ok()) {
      const uint32_t id = next_id_++;
      awaited_ = id;
      status = link_.Exchange(
          [&](auto request) {
            request.setId(id);
            fill(request);
          },
          [this] { return answer_.has_value(); }, time, ctrl_c);
      awaited_ = 0;
    }
    if (status.ok()) return *answer_;
    if (!absl::IsUnavailable(status) || runtime::MonotonicNow() >= deadline) return status;
  }
}

void Terminal::Drain(uint64_t time) {
  const absl::Status status =
      Call([](auto request) { request.setFlush(); }, Waiter::CtrlC::kIsHeld, time);
  if (!status.ok()) runtime::LogWarning("console does not drain: ", status.message());
}

absl::Status Terminal::Attach(uint16_t domid) {
  return Call([domid](auto request) { request.setAttach(domid); });
}

void Terminal::Detach() {
  const absl::Status status =
      Call([](auto request) { request.setDetach(); }, Waiter::CtrlC::kIsHeld);
  if (!status.ok()) runtime::LogWarning("console does not detach: ", status.message());
}

void Terminal::WaitForLine() {
  // No error but Stop: the operator decides how long.
  waiter_.Until([this] { return owner_ == 0; }, runtime::kNever, Waiter::CtrlC::kIsHeld)
      .IgnoreError();
}

absl::StatusOr<Terminal::LogPart> Terminal::ReadLog(uint64_t position) {
  absl::Status status = Call([position](auto request) {
    proto::LogRead::Builder read = request.initReadLog();
    read.setPosition(position);
    read.setMaxBytes(kMaxLogBytes);
  });
  if (!status.ok()) return status;
  return std::move(log_);
}

absl::Status Terminal::ClearLog() {
  // Not answered itself; what is asked for behind it is answered after it.
  const uint64_t deadline = runtime::MonotonicNow() + kAnswerTime;
  absl::Status sent;
  absl::Status status = waiter_.Until(
      [&] {
        if (!link_.up() || !AllSent()) return false;
        sent = link_.TrySend([](auto request) { request.setClearLog(); });
        return sent.ok();
      },
      deadline);
  if (absl::IsDeadlineExceeded(status))
    return absl::DeadlineExceededError("console did not clear its log");
  return status;
}

}  // namespace pyrene::xl
