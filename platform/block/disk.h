// SPDX-License-Identifier: Apache-2.0
//
// A disk as its driver shows it to the block server (block_server.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "proto/block.capnp.h"
#include "runtime/clock.h"

namespace pyrene::block {

inline constexpr uint32_t kSectorBytes = 512;

// A client's data Memory, mapped for as long as the driver lives. Shared with the client, which may
// change it at any time: touched by guarded copies, or by the device.
struct DataMemory {
  uint8_t* data = nullptr;
  uint32_t bytes = 0;
  uint64_t physical = 0;  // 0: not for DMA
};

struct DiskFacts {
  uint64_t sectors = 0;  // of 512 bytes; 0: no medium
  uint32_t sector_bytes = kSectorBytes;
  bool read_only = false;
  uint32_t max_sectors = 0;
  uint32_t max_discard = 0;
  uint32_t medium = 1;
};

enum class Operation : uint8_t { kRead, kWrite, kFlush, kDiscard };

// Checked against the facts and the data Memory by the server.
struct DiskRequest {
  Operation operation = Operation::kFlush;
  uint64_t sector = 0;
  uint32_t count = 0;
  const DataMemory* memory = nullptr;
  uint32_t offset = 0;
  uint32_t tag = 0;  // names it in the completion
};

class Disk {
 public:
  using Completion = std::function<void(uint32_t tag, proto::BlockStatus status)>;

  virtual ~Disk() = default;
  // May change whenever a method below was called.
  virtual const DiskFacts& facts() const = 0;
  // Whether Start may be called now.
  virtual bool CanStart() const = 0;
  // Ends with a call of the completion, in this call or in a later one. The medium has the data of
  // a write before the completion of a flush that was started after the write's completion.
  virtual void Start(const DiskRequest& request) = 0;
  // The device's interrupt came, or deadline().
  virtual void OnInterrupt() = 0;
  virtual uint64_t deadline() const { return runtime::kNever; }
  // The device needs what only a new life of the driver does.
  virtual bool broken() const { return false; }

  void SetCompletion(Completion completion) { completion_ = std::move(completion); }

 protected:
  void Complete(uint32_t tag, proto::BlockStatus status) { completion_(tag, status); }

 private:
  Completion completion_;
};

}  // namespace pyrene::block
