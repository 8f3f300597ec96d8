// SPDX-License-Identifier: Apache-2.0
//
// The service blkback: guests' disks. Its capability: `events`; its channel: `init`, by which the
// channels of guests' VMMs and the memory of RAM disks come. An argument "/dev/vda=vda" names a
// block device, the channel `vda` with its driver, and their data, capability `vda.data`.
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/log.h"
#include "runtime/service.h"
#include "services/blkback/exports.h"
#include "services/init/client/supervision_client.h"

namespace pyrene::blkback {
namespace {

class Main {
 public:
  Main() : loop_(runtime::Notification::Adopt(runtime::FindCapability("events"))) {}

  absl::Status Start(int count, char** arguments);
  absl::Status Run();
  init::SupervisionClient* supervision() { return supervision_.get(); }

 private:
  void Offered(const init::Offer& offer);

  runtime::EventLoop loop_;
  std::unique_ptr<init::SupervisionClient> supervision_;
  Exports exports_;
  bool stop_ = false;
};

absl::Status Main::Start(int count, char** arguments) {
  init::SupervisionClient::Handlers handlers;
  handlers.offered = [this](const init::Offer& offer) { Offered(offer); };
  handlers.revoked = [this](const std::string& name) {
    exports_.Revoke(name);
    supervision_->Closed(name);
  };
  handlers.stop = [this] { stop_ = true; };
  auto supervision = init::SupervisionClient::Open(std::move(handlers));
  if (!supervision.ok()) return supervision.status();
  supervision_ = *std::move(supervision);
  absl::Status status = loop_.AddSourceAt(supervision_->bit(), [this] { supervision_->OnWake(); });
  for (int i = 1; status.ok() && i < count; ++i) status = exports_.AddDevice(arguments[i], loop_);
  if (!status.ok()) return status;
  supervision_->Ready();
  supervision_->OnWake();
  return absl::OkStatus();
}

void Main::Offered(const init::Offer& offer) {
  absl::Status status = exports_.Offer(offer);
  // Several disks share a bit; all are looked at in each round.
  if (status.ok() && offer.wake_peer != runtime::kNoHandle) {
    status = loop_.AddSourceAt(offer.bit, [] {});
    if (absl::IsAlreadyExists(status)) status = absl::OkStatus();
  }
  if (!status.ok()) return runtime::LogError("offer ", offer.name, ": ", status.message());
  supervision_->Taken(offer.name);
}

absl::Status Main::Run() {
  while (!stop_) {
    const bool more = exports_.Round();
    if (absl::Status status = loop_.RunOnce(more ? runtime::kNow : runtime::kNever); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace pyrene::blkback

int main(int count, char** arguments) {
  pyrene::blkback::Main main;
  absl::Status status = main.Start(count, arguments);
  if (status.ok()) status = main.Run();
  return pyrene::init::ExitStatus(status, main.supervision());
}
