// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/service/console_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pyrene::vmm {
namespace {

constexpr unsigned kBatch = 32;

}  // namespace

bool ConsoleClient::AddText(absl::string_view text) {
  const std::lock_guard guard(lock_);
  if (text_.size() + text.size() > kMaxText) {
    dropped_ += text.size();
    return true;
  }
  text_.append(text.data(), text.size());
  return true;
}

void ConsoleClient::TakeText() {
  if (messages_.size() >= kMaxMessages) return;
  std::string text;
  {
    const std::lock_guard guard(lock_);
    text = text_.substr(0, kPart);
    text_.erase(0, text.size());
    if (text.empty() && dropped_ != 0)
      text = absl::StrCat("\r\n[", std::exchange(dropped_, 0), " bytes dropped]\r\n");
  }
  if (!text.empty())
    messages_.push_back({next_id_++, Message::Kind::kText, std::move(text), 0, nullptr});
}

void ConsoleClient::Started(uint32_t port) {
  messages_.push_back({next_id_++, Message::Kind::kStarted, {}, port, nullptr});
  OnWake();
}

void ConsoleClient::Stopped(std::function<void()> told) {
  messages_.push_back({next_id_++, Message::Kind::kStopped, {}, 0, std::move(told)});
  OnWake();
}

void ConsoleClient::OnWake() {
  if (channel_.Update() != proto::Channel::State::kUp) return;
  if (channel_.epoch() != epoch_) {
    epoch_ = channel_.epoch();
    sent_ = 0;  // what is unanswered goes out again
  }
  while (channel_.Receive<proto::ConsoleEvent>(kBatch, [this](auto event) {
    if (!event.isTaken()) return absl::OkStatus();
    // Cumulative: everything up to this one.
    while (sent_ > 0 && static_cast<int32_t>(event.getId() - messages_.front().id) >= 0) {
      std::function<void()> told = std::move(messages_.front().told);
      messages_.pop_front();
      --sent_;
      if (told) told();
    }
    return absl::OkStatus();
  })) {
  }
  Send();
  channel_.Flush();
}

void ConsoleClient::Send() {
  for (;;) {
    if (sent_ == messages_.size()) TakeText();
    if (sent_ == messages_.size()) return;
    const Message& message = messages_[sent_];
    auto request = builder_.Start<proto::ConsoleRequest>();
    request.setId(message.id);
    switch (message.kind) {
      case Message::Kind::kText:
        request.setGuestText(
            {reinterpret_cast<const kj::byte*>(message.text.data()), message.text.size()});
        break;
      case Message::Kind::kStarted:
        request.initGuestStarted().setPort(message.port);
        break;
      case Message::Kind::kStopped:
        request.setGuestStopped();
        break;
    }
    if (!channel_.Send(builder_).ok()) return;
    ++sent_;
  }
}

}  // namespace pyrene::vmm
