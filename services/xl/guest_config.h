// SPDX-License-Identifier: Apache-2.0
// A guest as its configuration file describes it: the entries of config_syntax.h, checked and given
// types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/xl/config_syntax.h"
#include "services/xl/cpu_list.h"
#include "services/xl/disk_spec.h"
#include "services/xl/vif_spec.h"

namespace pyrene::xl {

inline constexpr size_t kMaxNameBytes = 64;
inline constexpr size_t kMaxPathBytes = 1023;
// COMMAND_LINE_SIZE of arm64 Linux without the NUL.  Linux cuts silently what is longer.
inline constexpr size_t kMaxCmdlineBytes = 2047;
inline constexpr int kMaxVcpus = 8;  // a GICv2 names eight CPUs
// Both RAM banks of a guest (3 GiB, and from 8 GiB up) below the end of a 39-bit guest-physical
// address space.
inline constexpr int64_t kMaxMemoryMib = 3 * 1024 + (512 - 8) * 1024;
inline constexpr int kDefaultCpuWeight = 256;
inline constexpr int kMaxCpuWeight = 65535;

enum class ShutdownAction {
  kDestroy,
  kRestart,
  kRenameRestart,
  kPreserve,
  kCoredumpDestroy,
  kCoredumpRestart,
  kSoftReset,
};

// As in a configuration file: "rename-restart".
absl::string_view ShutdownActionName(ShutdownAction action);

struct GuestConfig {
  std::string name;     // IsValidGuestName
  std::string uuid;     // lower case, 36 characters; empty: the toolstack makes one
  std::string kernel;   // file names are the boot bundle's or the file system's
  std::string ramdisk;  // empty: none
  std::string cmdline;
  int64_t memory_mib = 0;  // 1..max_memory_mib
  int64_t max_memory_mib = 0;
  int vcpus = 1;                   // on line at start, 1..max_vcpus
  int max_vcpus = 1;               // 1..kMaxVcpus
  std::vector<CpuMask> cpus;       // allowed CPUs by vCPU; a vCPU beyond its end may run on all
  std::vector<CpuMask> cpus_soft;  // preferred ones, likewise
  int cpu_weight = kDefaultCpuWeight;
  int cap = 0;  // percent of one CPU, 0: none
  ShutdownAction on_poweroff = ShutdownAction::kDestroy;
  ShutdownAction on_reboot = ShutdownAction::kRestart;
  ShutdownAction on_watchdog = ShutdownAction::kDestroy;
  ShutdownAction on_crash = ShutdownAction::kDestroy;
  ShutdownAction on_soft_reset = ShutdownAction::kSoftReset;
  std::vector<DiskSpec> disks;  // no vdev twice
  std::vector<VifSpec> vifs;    // devid always set, none twice
};

inline constexpr size_t kMaxDisks = 4;

// What this build can give a guest.  Devices that it cannot are refused with the line that asks for
// them, after their specifications were checked.
struct GuestFeatures {
  bool disks = false;
  bool vifs = false;
};

// Letters, digits and . _ + @ : -, the first a letter or digit; not only digits, which would be
// taken for a domain id.
bool IsValidGuestName(absl::string_view name);

// Canonical form of a UUID (8-4-4-4-12 hexadecimal digits, lower case), or InvalidArgument.
absl::StatusOr<std::string> ParseUuid(absl::string_view text);

// Errors are InvalidArgument (or Unimplemented for a refused device) and say "source:line: key:
// reason"; a missing key has no line.  `source` is the file's name.  Warnings, complete lines of
// text, are appended whatever the result.
absl::StatusOr<GuestConfig> ParseGuestConfig(absl::string_view source, const ConfigEntries& entries,
                                             const GuestFeatures& features,
                                             std::vector<std::string>& warnings);

}  // namespace pyrene::xl
