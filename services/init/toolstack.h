// SPDX-License-Identifier: Apache-2.0
//
// The server of the toolstack, xl (proto/toolstack.capnp).
//
// Answers wait in a bounded queue for room in the ring; while it is long, no further request is
// taken. Nothing is kept for a toolstack that died: its requests go on, and nobody is told.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "proto/channel.h"
#include "proto/toolstack.capnp.h"
#include "services/init/guests.h"
#include "services/init/host.h"
#include "services/init/supervisor.h"

namespace pyrene::init {

class Toolstack {
 public:
  // `bit` of the loop's notification is what xl signals: the manifest's serverBit.
  Toolstack(World& world, Supervisor& supervisor, Guests& guests, Host& host, unsigned bit);
  absl::Status Open();

 private:
  // Fills one message; true: there are more to come.
  using Answer = std::function<bool(proto::ToolstackReply::Builder)>;

  void OnWake();
  absl::Status Handle(proto::ToolstackRequest::Reader request);
  void Queue(Answer answer);
  void Send();
  void Event(std::function<void(proto::GuestEvent::Builder)> fill);

  void Done(uint32_t id);
  void Fail(uint32_t id, const absl::Status& status);
  // OkStatus is answered by somebody else.
  void FailUnlessOk(uint32_t id, const absl::Status& status);
  void ListGuests(uint32_t id);
  void ListServices(uint32_t id, proto::ServiceQuery::Reader query);
  void KillService(uint32_t id, const std::string& name, bool repair);
  void DescribeHost(uint32_t id);
  void DescribeConfig(uint32_t id, uint16_t domid);
  void ListFiles(uint32_t id, std::string directory);
  void ReadFile(uint32_t id, proto::FileRead::Reader request);

  World& world_;
  Supervisor& supervisor_;
  Guests& guests_;
  Host& host_;
  const unsigned bit_;
  std::optional<proto::Channel> channel_;
  uint32_t epoch_ = 0;
  proto::MessageBuilder builder_;
  std::deque<Answer> answers_;
  bool built_ = false;  // builder_ has the first answer's next message,
  bool more_ = false;   // which is not its last
};

}  // namespace pyrene::init
