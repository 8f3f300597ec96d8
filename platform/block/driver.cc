// SPDX-License-Identifier: Apache-2.0
#include "platform/block/driver.h"

#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/connect.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/syscall.h"
#include "runtime/log.h"
#include "runtime/service.h"

namespace pyrene::block {
namespace {

// Channels' bits are below 16 (proto/manifest.capnp).
constexpr unsigned kInterruptBit = 16;

}  // namespace

absl::StatusOr<runtime::Memory> MapNamed(const std::string& name, runtime::Access access) {
  const runtime::Handle cap = runtime::FindCapability(name);
  if (cap == kNullCap) return absl::InternalError(absl::StrCat("no capability ", name));
  return runtime::Memory::Map(cap, access);
}

absl::StatusOr<DmaMemory> MapDma(const std::string& name) {
  absl::StatusOr<runtime::Memory> memory = MapNamed(name, runtime::Access::kReadWrite);
  if (!memory.ok()) return memory.status();
  const sys::MemoryFacts facts = sys::MemoryInfo(runtime::FindCapability(name));
  if (facts.status != Status::kOk) return runtime::ToStatus(facts.status, name);
  return DmaMemory{*std::move(memory), facts.address};
}

Driver::Driver() : loop_(runtime::Notification::Adopt(runtime::FindCapability("events"))) {}

absl::Status Driver::Start() {
  init::SupervisionClient::Handlers handlers;
  handlers.stop = [this] { stop_ = true; };
  auto supervision = init::SupervisionClient::Open(std::move(handlers));
  if (!supervision.ok()) return supervision.status();
  supervision_ = *std::move(supervision);
  absl::Status status = loop_.AddSourceAt(supervision_->bit(), [this] { supervision_->OnWake(); });
  if (!status.ok()) return status;
  supervision_->OnWake();
  irq_bit_ = kInterruptBit;
  return runtime::ToStatus(sys::IrqBind(runtime::FindCapability("irq"),
                                        loop_.notification().handle(), uint64_t{1} << irq_bit_),
                           "irq_bind");
}

void Driver::AcknowledgeInterrupt() {
  static_cast<void>(sys::IrqAcknowledge(runtime::FindCapability("irq")));
}

void Driver::WaitInterrupt(uint64_t deadline) {
  AcknowledgeInterrupt();
  static_cast<void>(loop_.notification().Wait(uint64_t{1} << irq_bit_, deadline));
}

absl::Status Driver::AddClient(BlockServer& server, const std::string& name) {
  absl::StatusOr<proto::NamedChannel> channel =
      proto::OpenChannel(name, proto::Side::kServer, proto::SchemaId<proto::BlockRequest>());
  if (!channel.ok()) return channel.status();
  // Never unmapped: it is the clients' for as long as this service lives.
  absl::StatusOr<DmaMemory> data = MapDma(absl::StrCat(name, ".data"));
  if (!data.ok()) return data.status();
  auto* const kept = new DmaMemory(*std::move(data));
  server.AddClient(
      std::make_unique<proto::Channel>(std::move(channel->channel)),
      {kept->memory.data(), static_cast<uint32_t>(kept->memory.size()), kept->physical});
  return loop_.AddSourceAt(channel->bit, [] {});
}

absl::Status Driver::Serve(Disk& disk, int count, char** names) {
  BlockServer server(disk);
  for (int i = 0; i < count; ++i) {
    if (absl::Status status = AddClient(server, names[i]); !status.ok()) return status;
  }
  absl::Status status = loop_.AddSourceAt(irq_bit_, [&] {
    disk.OnInterrupt();
    AcknowledgeInterrupt();
  });
  if (!status.ok()) return status;
  AcknowledgeInterrupt();
  supervision_->Ready();
  supervision_->OnWake();
  bool more = true;
  while (!stop_) {
    if (disk.broken()) return absl::AbortedError("the device is to be reset");
    const uint64_t deadline = more ? runtime::kNow : disk.deadline();
    if (status = loop_.RunOnce(deadline); !status.ok()) return status;
    if (runtime::MonotonicNow() >= disk.deadline()) disk.OnInterrupt();
    more = server.Round();
  }
  return absl::OkStatus();
}

int Driver::Result(const absl::Status& status) {
  if (absl::IsNotFound(status)) {
    runtime::LogInfo(status.message(), ": this driver ends");
    return EXIT_SUCCESS;
  }
  return init::ExitStatus(status, supervision_.get());
}

}  // namespace pyrene::block
