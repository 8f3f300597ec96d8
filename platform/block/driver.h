// SPDX-License-Identifier: Apache-2.0
//
// What the services of block drivers have in common: the event loop, supervision, the interrupt,
// and a channel for each argument. The argument NAME stands for the channel NAME of the manifest
// and its data Memory, capability NAME.data. On the target only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/block/block_server.h"
#include "platform/block/disk.h"
#include "runtime/event_loop.h"
#include "runtime/memory.h"
#include "services/init/client/supervision_client.h"

namespace pyrene::block {

// Memory of a driver that its device reads and writes, kept by init over the driver's lives.
struct DmaMemory {
  runtime::Memory memory;
  uint64_t physical = 0;  // 0: without the DMA right
};
// NotFound: this service has no capability of that name.
absl::StatusOr<DmaMemory> MapDma(const std::string& name);
absl::StatusOr<runtime::Memory> MapNamed(const std::string& name, runtime::Access access);

class Driver {
 public:
  Driver();

  // Opens the channel to init and binds the capability `irq`.
  absl::Status Start();
  // The interrupt line may fire again; then sleeps until it does, or until `deadline`.
  void WaitInterrupt(uint64_t deadline);
  void AcknowledgeInterrupt();

  // Serves `disk` to the channels that `names` name, until init says stop.
  absl::Status Serve(Disk& disk, int count, char** names);

  // To main's result: 0 if `status` is OK or there is no device, which ends the service for good.
  int Result(const absl::Status& status);

 private:
  absl::Status AddClient(BlockServer& server, const std::string& name);

  runtime::EventLoop loop_;
  std::unique_ptr<init::SupervisionClient> supervision_;
  unsigned irq_bit_ = 0;
  bool stop_ = false;
};

}  // namespace pyrene::block
