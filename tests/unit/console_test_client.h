// SPDX-License-Identifier: Apache-2.0
//
// The end of a channel with console that xl and VMMs have.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/console/console_service.h"
#include "tests/unit/channel_memory.h"
#include "tests/unit/console_test_util.h"

namespace pyrene::console {

// A channel as init makes it, and its client's end, as xl and VMMs have it.
class Client {
 public:
  struct Event {
    uint32_t id;
    proto::ConsoleEvent::Which which;
    std::string text;     // input, log, failed
    uint64_t number = 0;  // attached, detached, log
  };

  Client() { Restart(); }
  // This end's next life. Init starts the epoch.
  void Restart() {
    channel_ = memory_.Open(proto::Side::kClient, console_bell_);
    events_.clear();
  }
  void StartEpoch(uint32_t epoch) { memory_.StartEpoch(epoch); }

  std::unique_ptr<proto::Channel> OpenServer() { return memory_.Open(proto::Side::kServer, bell_); }
  init::Offer Offer(const std::string& name, uint16_t domid) {
    return {name,
            "vmm",
            domid,
            kSchema,
            true,
            *runtime::host::CopyHandle(memory_.handle(), 0),
            *runtime::host::CopyHandle(bell_.handle(), 1),
            16};
  }

  template <typename Fill>
  absl::Status Send(uint32_t id, Fill fill) {
    channel_->Update();
    auto request = builder_.Start<proto::ConsoleRequest>();
    request.setId(id);
    fill(request);
    absl::Status status = channel_->Send(builder_);
    channel_->Flush();
    return status;
  }
  void Text(uint32_t id, const std::string& text) {
    EXPECT_TRUE(Send(id, [&](auto r) { r.setGuestText(Bytes(text)); }).ok());
  }
  void Write(uint32_t id, const std::string& text) {
    EXPECT_TRUE(Send(id, [&](auto r) { r.setTerminalWrite(Bytes(text)); }).ok());
  }
  absl::Status Attach(uint32_t id, uint16_t domid) {
    return Send(id, [&](auto r) { r.setAttach(domid); });
  }

  const std::vector<Event>& Events() {
    channel_->Update();
    const auto note = [this](proto::ConsoleEvent::Reader event) {
      Event e{event.getId(), event.which(), "", 0};
      switch (event.which()) {
        case proto::ConsoleEvent::INPUT:
          e.text = event.getInput().asChars().begin() == nullptr
                       ? ""
                       : std::string(event.getInput().asChars().begin(), event.getInput().size());
          break;
        case proto::ConsoleEvent::ATTACHED:
          e.number = event.getAttached();
          break;
        case proto::ConsoleEvent::DETACHED:
          e.number = static_cast<uint64_t>(event.getDetached());
          break;
        case proto::ConsoleEvent::LOG:
          e.number = event.getLog().getPosition();
          e.text = std::string(event.getLog().getText().asChars().begin(),
                               event.getLog().getText().size());
          break;
        case proto::ConsoleEvent::FAILED:
          e.text = event.getFailed().cStr();
          break;
        default:
          break;
      }
      events_.push_back(e);
      return absl::OkStatus();
    };
    while (channel_->Receive<proto::ConsoleEvent>(16, note)) {
    }
    channel_->Flush();
    return events_;
  }
  std::vector<Event> TakeEvents() {
    Events();
    return std::exchange(events_, {});
  }
  proto::Channel::State state() { return channel_->Update(); }

 private:
  static constexpr uint64_t kSchema = proto::SchemaId<proto::ConsoleRequest>();

  static capnp::Data::Reader Bytes(const std::string& text) {
    return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
  }

  proto::ChannelMemory memory_{kSchema};
  runtime::Notification bell_ = *runtime::Notification::Create();
  runtime::Notification console_bell_ = *runtime::Notification::Create();
  std::unique_ptr<proto::Channel> channel_;
  proto::MessageBuilder builder_;
  std::vector<Event> events_;
};

}  // namespace pyrene::console
