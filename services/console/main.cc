// SPDX-License-Identifier: Apache-2.0
//
// The console service: the UART, guests' consoles, the log. Its capabilities: `uart` (device page),
// `uart.irq`, `events`, `journal`, `kernelLog`, `log.NAME` of each service; channels `init` and
// `console` (with xl).
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/strip.h"
#include "proto/connect.h"
#include "proto/console.capnp.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/syscall.h"
#include "runtime/log.h"
#include "runtime/service.h"
#include "services/console/console_service.h"
#include "services/console/pl011.h"
#include "services/init/client/supervision_client.h"

namespace pyrene::console {
namespace {

using runtime::FindCapability;

class Pl011Port final : public SerialPort {
 public:
  explicit Pl011Port(runtime::Memory registers)
      : registers_(std::move(registers)), uart_(registers_.data()) {
    uart_.Start();
  }

  void BeginInterrupt() { uart_.ClearInterrupts(); }

  int Get() override { return uart_.Get(); }
  bool Put(char c) override { return uart_.Put(c); }
  bool Idle() override { return uart_.Idle(); }
  void WantTransmitInterrupt(bool wanted) override {
    if (std::exchange(wanted_, wanted) != wanted) uart_.WantTransmitInterrupt(wanted);
  }

 private:
  runtime::Memory registers_;
  Pl011 uart_;
  bool wanted_ = false;
};

absl::StatusOr<runtime::Memory> MapNamed(const char* name, runtime::Access access) {
  const CapIndex cap = FindCapability(name);
  if (cap == kNullCap) return absl::NotFoundError(std::string("no capability ") + name);
  return runtime::Memory::Map(cap, access);
}

class Main {
 public:
  Main() : loop_(runtime::Notification::Adopt(FindCapability("events"))) {}

  absl::Status Start();
  absl::Status Run();
  init::SupervisionClient* supervision() { return supervision_.get(); }

 private:
  absl::Status OpenSupervision();
  absl::Status OpenJournal();
  absl::Status OpenUart();
  absl::Status OpenXl();
  absl::Status OpenLogs();
  // Nothing is to be done for this bit but a round.
  absl::Status Listen(unsigned bit);
  void Offered(const init::Offer& offer);
  void AcknowledgeUart();

  runtime::EventLoop loop_;
  std::unique_ptr<init::SupervisionClient> supervision_;
  runtime::Memory journal_memory_;
  std::vector<uint64_t> journal_heap_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Pl011Port> port_;
  std::unique_ptr<ConsoleService> service_;
  bool interrupted_ = false;
  bool stop_ = false;
};

absl::Status Main::Listen(unsigned bit) {
  const absl::Status status = loop_.AddSourceAt(bit, [] {});
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

absl::Status Main::OpenSupervision() {
  init::SupervisionClient::Handlers handlers;
  handlers.offered = [this](const init::Offer& offer) { Offered(offer); };
  handlers.revoked = [this](const std::string& name) {
    service_->Revoke(name, runtime::MonotonicNow());
    supervision_->Closed(name);
  };
  handlers.stop = [this] { stop_ = true; };
  auto supervision = init::SupervisionClient::Open(std::move(handlers));
  if (!supervision.ok()) return supervision.status();
  supervision_ = std::move(*supervision);
  return loop_.AddSourceAt(supervision_->bit(), [this] { supervision_->OnWake(); });
}

void Main::Offered(const init::Offer& offer) {
  absl::Status status = service_->Offer(offer);
  if (status.ok()) status = Listen(offer.bit);
  if (status.ok()) {
    supervision_->Taken(offer.name);
  } else {
    runtime::LogError("offer ", offer.name, ": ", status.message());
  }
}

absl::Status Main::OpenJournal() {
  absl::StatusOr<runtime::Memory> memory = MapNamed("journal", runtime::Access::kReadWrite);
  if (memory.ok() && memory->size() >= Journal::kFixedBytes) {
    journal_memory_ = std::move(*memory);
    journal_ = std::make_unique<Journal>(journal_memory_.data(), journal_memory_.size());
    return absl::OkStatus();
  }
  runtime::LogWarning("no journal: unsent output will not survive a restart");
  journal_heap_.resize(Journal::kFixedBytes / sizeof(uint64_t));
  journal_ = std::make_unique<Journal>(journal_heap_.data(), Journal::kFixedBytes);
  return absl::OkStatus();
}

absl::Status Main::OpenUart() {
  absl::StatusOr<runtime::Memory> registers = MapNamed("uart", runtime::Access::kReadWrite);
  if (!registers.ok()) return registers.status();
  port_ = std::make_unique<Pl011Port>(std::move(*registers));
  return absl::OkStatus();
}

absl::Status Main::OpenXl() {
  absl::StatusOr<proto::NamedChannel> xl =
      proto::OpenChannel("console", proto::Side::kServer, proto::SchemaId<proto::ConsoleRequest>());
  if (!xl.ok()) return xl.status();
  service_ = std::make_unique<ConsoleService>(
      *journal_, *port_, std::move(xl->channel), [this] { supervision_->OnWake(); },
      runtime::MonotonicNow());
  return Listen(xl->bit);
}

absl::Status Main::OpenLogs() {
  if (absl::StatusOr<runtime::Memory> log = MapNamed("kernelLog", runtime::Access::kRead);
      log.ok()) {
    service_->logs().AddKernel(std::move(*log));
  }
  for (const NamedCapability& entry : runtime::Service().capability) {
    if (entry.cap == kNullCap) break;
    absl::string_view name = entry.name;
    if (!absl::ConsumePrefix(&name, "log.")) continue;
    absl::StatusOr<runtime::Memory> ring = runtime::Memory::Map(entry.cap, runtime::Access::kRead);
    if (!ring.ok()) return ring.status();
    service_->logs().AddService(std::string(name), std::move(*ring));
    const absl::Status status =
        loop_.AddSourceAt(entry.value, [this] { service_->LogSignalled(); });
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
  }
  return absl::OkStatus();
}

// The line stays silent from its interrupt until this.
void Main::AcknowledgeUart() {
  const Status status = sys::IrqAcknowledge(FindCapability("uart.irq"));
  if (status != Status::kOk)
    runtime::LogError(runtime::ToStatus(status, "irq_acknowledge").message());
}

absl::Status Main::Start() {
  absl::Status status = OpenSupervision();
  if (status.ok()) status = OpenJournal();
  if (status.ok()) status = OpenUart();
  if (status.ok()) status = OpenXl();
  if (status.ok()) status = OpenLogs();
  if (!status.ok()) return status;
  const absl::StatusOr<unsigned> bit = loop_.AddSource([this] {
    interrupted_ = true;
    port_->BeginInterrupt();
  });
  if (!bit.ok()) return bit.status();
  const Status bound =
      sys::IrqBind(FindCapability("uart.irq"), loop_.notification().handle(), uint64_t{1} << *bit);
  if (bound != Status::kOk) return runtime::ToStatus(bound, "irq_bind");
  // A former life may have died between an interrupt and its acknowledgement.
  AcknowledgeUart();
  supervision_->OnWake();
  static_cast<void>(service_->Round(runtime::MonotonicNow()));
  supervision_->Ready();
  return absl::OkStatus();
}

absl::Status Main::Run() {
  bool more = true;
  while (!stop_) {
    const uint64_t deadline = more ? runtime::kNow : service_->Deadline(runtime::MonotonicNow());
    if (absl::Status status = loop_.RunOnce(deadline); !status.ok()) return status;
    more = service_->Round(runtime::MonotonicNow());
    if (std::exchange(interrupted_, false)) AcknowledgeUart();
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace pyrene::console

int main() {
  pyrene::console::Main main;
  absl::Status status = main.Start();
  if (status.ok()) status = main.Run();
  return pyrene::init::ExitStatus(status, main.supervision());
}
