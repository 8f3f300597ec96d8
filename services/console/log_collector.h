// SPDX-License-Identifier: Apache-2.0
//
// Reads the kernel's log and the log rings of all services, dead ones included, and merges them
// line by line into the LogStore. The kernel's lines have its time stamp; a service's gets the time
// when it is read, which is soon after it was written, because writers signal.
//
// Services are hostile: each line says whose it is, whatever its writer put into it, and nobody
// may push the others' lines out of the store: who writes more than 16 KiB, and then 4 KiB a
// second, has the rest dropped and counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "runtime/log_reader.h"
#include "runtime/memory.h"
#include "services/console/journal.h"
#include "services/console/kernel_log_reader.h"
#include "services/console/log_store.h"

namespace pyrene::console {

class LogCollector {
 public:
  LogCollector(Journal& journal, LogStore& store) : journal_(journal), store_(store) {}

  // The capability `kernelLog`.
  void AddKernel(runtime::Memory log);
  // `name` is the service's; `ring` is at least a page. Ignored if there is that name already.
  void AddService(const std::string& name, runtime::Memory ring);
  // Reads its last words.
  void RemoveService(const std::string& name, uint64_t now);

  // One round, bounded; `now` in nanoseconds. The kernel's lines always, the services' if
  // `signalled` that there are some. True: there may be more.
  bool Collect(uint64_t now, bool signalled = true);

 private:
  using Reader = std::variant<KernelLogReader, runtime::LogReader>;

  struct Source {
    runtime::Memory memory;
    Reader reader;
    uint64_t* position;   // in the journal, behind the last whole line; nullptr: it had no room
    std::string partial;  // of a line
    uint64_t allowance;   // bytes that it may still add to the store
    uint64_t refilled;    // when that was counted, nanoseconds
  };

  bool CollectFrom(const std::string& name, Source& source, uint64_t now);
  void AddLine(const std::string& name, absl::string_view text, uint64_t now);
  static constexpr absl::string_view kKernel = "kernel";

  Journal& journal_;
  LogStore& store_;
  std::map<std::string, Source> sources_;  // the kernel's is kKernel
};

// "(PYR) [    1.234567] ", as the kernel's lines begin.
std::string LogStamp(uint64_t now);

}  // namespace pyrene::console
